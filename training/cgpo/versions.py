"""What names a judge, so that a changed one is not taken for the one that an earlier round obeyed."""

import functools
import hashlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from training.judges.verdict import Judge

_OURS = ("training", "streams")


def judge_versions(judges: Mapping[str, Judge]) -> dict[str, str]:
    """Each judge's version by its name: a digest of its source, that of our modules which it uses, and its settings.

    Raises:
        ValueError: A judge is neither a function nor has an attribute `version`, a text.
    """
    return {name: _version(name, judge) for name, judge in judges.items()}


def _version(name: str, judge: Judge) -> str:
    if isinstance(judge, functools.partial):
        return _digest(judge.func, repr((judge.args, sorted(judge.keywords.items()))))
    if inspect.isfunction(judge):
        return _digest(judge, "")
    said = getattr(judge, "version", None)
    if not isinstance(said, str):
        raise ValueError(
            f"judge {name!r} ({type(judge).__name__}) has no version: give it an attribute `version`, a text that "
            "changes when its verdicts may, so that no result of another judge is taken for its own"
        )
    return _digest(type(judge), said)


def _digest(of: Any, settings: str) -> str:
    digest = hashlib.sha256(f"{of.__module__}.{of.__qualname__}\0{settings}".encode())
    for source in _sources(of.__module__, set()):
        digest.update(source.encode())
    return digest.hexdigest()[:16]


def _sources(module: str, seen: set[str]) -> list[str]:
    """A module's source, and that of all modules of ours whose things it uses."""
    if module in seen or module not in sys.modules:
        return []
    seen.add(module)
    loaded = sys.modules[module]
    try:
        found = [inspect.getsource(loaded)]
    except (OSError, TypeError):
        return []  # typed in by hand, or built in
    used = {getattr(each, "__module__", None) or "" for each in vars(loaded).values()}
    ours = sorted(each for each in used if isinstance(each, str) and each.split(".")[0] in _OURS)
    return found + [source for each in ours for source in _sources(each, seen)]
