"""Which source code decides about a judge: its own module, and what that imports of its package and of ours."""

import ast
import hashlib
import inspect
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_OURS = ("training", "streams")


def digest_of(of: Any) -> str:
    """SHA-256 over the source files behind a function or class; over its byte code where it has no file."""
    file = inspect.getsourcefile(of) if inspect.isclass(of) or inspect.isfunction(of) else None
    if file is None or not Path(file).is_file():
        code = getattr(of, "__code__", None)
        return hashlib.sha256(repr((code.co_code, code.co_consts) if code else of).encode()).hexdigest()
    return _of_module(of.__module__, str(file))


@cache
def _of_module(module: str, file: str) -> str:
    roots = {*_OURS, module.partition(".")[0]}
    files, waiting = {module: Path(file)}, [module]
    while waiting:
        for name in _imported(waiting.pop(), files):
            if name.partition(".")[0] in roots and name not in files and (place := _file(name)):
                files[name] = place
                waiting.append(name)
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
    return digest.hexdigest()


def _imported(module: str, files: dict[str, Path]) -> Iterator[str]:
    """Absolute names of what a module imports, anywhere in it; a name may also be that of something in a module."""
    package = module if files[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(files[module].read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(part for part in (above, node.module) if part)
            yield origin
            yield from (f"{origin}.{each.name}" for each in node.names)


@cache
def _file(module: str) -> Path | None:
    """The source file of a module, found without importing it; None where there is no such module."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except ValueError:  # a module that was run, not imported, says nothing of itself
        return None
    if spec is None or spec.origin is None or not rest:
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    places = [Path(each, *rest) for each in spec.submodule_search_locations or ()]
    tried = [file for place in places for file in (place / "__init__.py", place.with_name(f"{place.name}.py"))]
    return next((file for file in tried if file.is_file()), None)
