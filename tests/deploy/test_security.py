"""No secret has a default that opens a door beyond this machine; nothing runs code that came with a model."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from packaging.utils import canonicalize_name

from assets.cli import COMMANDS, group
from streams.gateway import settings, signatures

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
PACKAGES = ("assets", "experiments", "stats", "streams", "training", "warehouse", "clients")
SECRET = re.compile(r"(?i)(^|_)(password|passwd|secret|token|api_?key|credentials?)$")
LOOPBACK = "127.0.0.1"


@cache
def sources() -> dict[str, ast.Module]:
    """The product's files, read once by the process that runs these tests: two seconds that no other one pays."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in files}


def commands(found: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            inner = found.get_command(context, name)
            assert inner is not None
            yield from commands(inner, (*words, name))
    else:
        yield words, found


def options(pattern: str) -> dict[str, Any]:
    """The defaults of the options of all commands whose names match."""
    return {
        " ".join((*words, option)): parameter.default
        for words, command in commands(group)
        for parameter in command.params
        for option in parameter.opts
        if re.search(pattern, option)
    }


def test_everything_that_listens_listens_on_this_machine_unless_told_otherwise() -> None:
    hosts = options(r"^--(\w+-)?host$")
    assert {"gateway --host", "collect --host", "serve --host", "vllm staged --host", "guard --web-host"} <= set(hosts)
    assert set(hosts.values()) == {LOOPBACK}


def test_no_option_for_a_secret_has_a_default() -> None:
    secrets = options(r"(token|password|secret|key)$")
    assert {"collect --token", "serve --token"} <= set(secrets)
    assert [name for name, default in secrets.items() if isinstance(default, str)] == []


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (("collect", "--host", "0.0.0.0"), "set --token"),
        (("serve", ".", "--host", "0.0.0.0"), "set --token"),
        (("gateway", "--config", "gateway.toml", "--host", "0.0.0.0"), "add [keys]"),
    ],
)
def test_nothing_that_writes_or_serves_listens_to_others_without_a_secret(
    words: tuple[str, ...], cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert words[0] in COMMANDS
    (tmp_path / "gateway.toml").write_text('default = "v7"\nbackends.v7 = "http://127.0.0.1:8000/v1"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOVELOOP_COLLECT_TOKEN", raising=False)
    told = CliRunner().invoke(group, list(words))
    assert told.exit_code != 0
    assert cure in f"{told.output} {told.exception}"


def test_the_only_secrets_with_a_default_are_those_of_services_that_are_not_published() -> None:
    files = [ROOT / "docker-compose.yml", ROOT / "docker-compose.gpu.yml", *(ROOT / "deploy").glob("*.y*ml")]
    texts = [file.read_text() for file in files]
    given = {name for text in texts for name, default in re.findall(r"\$\{(\w+):-([^}]*)\}", text)
             if default and SECRET.search(name)}  # fmt: skip
    assert given == {"LOVELOOP_POSTGRES_PASSWORD", "LOVELOOP_SERVE_TOKEN"}
    assert all(name in PAGE for name in (*given, "LOVELOOP_GATEWAY_KEY"))
    services = yaml.safe_load(texts[0])["services"]
    assert not {"ports"} & (set(services["postgres"]) | set(services["model-server"]))
    # a client's key, which is no more than a way into the port of this machine
    assert all(each.startswith(f"{LOOPBACK}:") for each in services["gateway"]["ports"])


def test_no_secret_stands_in_a_compose_file() -> None:
    written = [
        (name, key, value)
        for file in ("docker-compose.yml", "docker-compose.gpu.yml")
        for name, service in (yaml.safe_load((ROOT / file).read_text()).get("services") or {}).items()
        for key, value in (service.get("environment") or {}).items()
        if (SECRET.search(key) or key == "PGPASSWORD") and value is not None and not str(value).startswith("${")
    ]
    assert written == []


@pytest.mark.slow
def test_no_secret_stands_in_the_code() -> None:
    written = []
    for file, tree in sources().items():
        for node in ast.walk(tree):
            for name, value in _named(node):
                is_text = isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) > 0
                if is_text and SECRET.search(name):
                    written.append(f"{file}:{node.lineno} {name}")  # type: ignore[attr-defined]
    assert written == []


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """Names and what they are given: assignments, defaults of parameters, keywords of calls."""
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((each.id, value) for each in targets if isinstance(each, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name), value=value) | ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            yield from zip(
                (each.arg for each in reversed(args.posonlyargs + args.args)), reversed(args.defaults), strict=False
            )
            yield from zip((each.arg for each in args.kwonlyargs), args.kw_defaults, strict=True)


def test_a_gateway_draws_a_secret_of_its_own_that_its_owner_alone_can_read(tmp_path: Path) -> None:
    first, second = (signatures.secret(tmp_path / name, None) for name in ("a", "b"))
    assert first != second
    assert len(first) == 64
    assert (tmp_path / "a" / "secret").stat().st_mode & 0o777 == 0o600
    assert settings.GatewaySettings(default="v7", backends={"v7": "http://h"}).keys == {}


def test_no_code_that_came_with_a_model_is_run() -> None:
    """transformers runs a folder's own Python where it is told to trust it; nothing here tells it so."""
    asking = [file for file in sources() if "trust_remote_code" in (ROOT / file).read_text()]
    assert asking == []


@pytest.mark.slow
def test_pickles_are_read_where_the_page_says_and_nowhere_else() -> None:
    reading = set()
    for file, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = ast.unparse(node.func)
                safe = any(each.arg == "weights_only" and ast.unparse(each.value) == "True" for each in node.keywords)
                if called in ("pickle.load", "pickle.loads") or (called == "torch.load" and not safe):
                    reading.add(file)
                if any(each.arg == "allow_pickle" and ast.unparse(each.value) == "True" for each in node.keywords):
                    reading.add(file)
    assert reading == {name for name in re.findall(r"`([\w/]+\.py)`", PAGE) if name in sources()}


def test_what_is_audited_is_what_runs() -> None:
    """An audit asks about constraints.txt: each line is one version, each requirement is there, and it is installed."""
    lines = [line.split(";")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines() if line.strip()]
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert all(re.fullmatch(r"[\w.]+(\+\w+)?", version) for version in pins.values())
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*told["dependencies"], *(each for extra in told["optional-dependencies"].values() for each in extra)]
    names = {canonicalize_name(re.match(r"[\w.-]+", each)[0]) for each in wanted}  # type: ignore[index]
    assert names - pins.keys() - {"loveloop"} == set()
    installed = {canonicalize_name(each.metadata["Name"]): each.version for each in distributions()}
    assert {name: version for name, version in installed.items() if pins.get(name, version) != version} == {}


def test_an_audit_fails_on_what_it_cannot_look_up() -> None:
    command = re.search(r"^audit:.*\n\t(.+)$", (ROOT / "Makefile").read_text(), re.M)
    assert command is not None
    assert "--strict" in command[1]
    assert "--requirement constraints.txt" in command[1]


def test_the_installed_packages_agree_with_each_other() -> None:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("uv is not installed beside this Python; make install brings it")
    told = subprocess.run(
        [uv, "pip", "check", "--offline", "--python", sys.executable],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert told.returncode == 0, told.stderr
