"""Every shell command of README and the manual is tried: executed in the small, or at least read by its own parser.

All pages share one small product (`desk`); a page works on a copy of it, in its own order. What the small product calls
otherwise than the pages do (a user, a training set, an experiment) is put in its place.
"""

import argparse
import itertools
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click
import duckdb
import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from assets.cli import group
from streams import brokers, collector
from streams.gateway import openapi
from tests.deploy.scripts import load

ROOT = Path(__file__).resolve().parents[2]
BY_ITSELF = "tutorial.md"
"""Has a test of its own, which executes all of it: test_tutorial.py."""
MANUAL = (page for page in sorted((ROOT / "docs").glob("*.md")) if page.name != BY_ITSELF)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *MANUAL]
PARSED = {
    "demo": "trains for minutes; tests/assets/test_loop.py runs its stages",
    "live-demo": "trains for minutes; tests/assets/test_live_product.py plays it",
    "chat": "serves until it is ended; tests/assets/test_chat.py",
    "run": "trains for minutes; test_tutorial.py executes it with a tiny recipe",
    "sweep": "trains for minutes; tests/assets/test_sweep.py",
    "train": "reads models of one's own; tests/assets/test_train.py",
    "models": "reads models of one's own; tests/assets/test_models.py",
    "evaluate": "reads models of one's own; tests/assets/test_evaluate.py",
    "sentinel": "reads texts of one's own; tests/assets/test_sentinel.py",
    "vllm": "needs vLLM's environment; tests/training/rollout",
    "ui": "serves until it is ended; tests/assets/test_dagster_ui.py",
    "broker": "serves until it is ended; the desk has one",
    "collect": "serves until it is ended; tests/streams/test_collector.py",
    "gateway": "serves until it is ended; tests/streams/gateway",
    "serve": "serves until it is ended; tests/training/rollout/test_chat_server.py",
    "guard": "serves until it is ended; tests/streams/test_live_guard.py",
    "ingest": "follows the stream until it is ended; executed with --until-caught-up",
    "import --from": "reads an export of another product; tests/warehouse/transfer makes one of each",
    "import undo": "takes back an import of one's own; tests/warehouse/transfer",
    "signals": "needs weeks of log; executed with the long world of its page",
    "retention": "needs weeks of log and an encoder; tests/assets/test_retention.py",
    "experiment read --every": "follows the experiment until it is ended; executed without",
}
"""Commands of loveloop that are read by their parser and not executed, with the reason."""
pytestmark = pytest.mark.slow
EXECUTED = ("ingest --until-caught-up", "signals --warehouse")
"""Exceptions from `PARSED`."""
SMALL = ("--responses", "1500", "--days", "2")
"""Options of `simulate` that make its world small; `--long` has days of its own."""


class Desk(NamedTuple):
    """A folder as a newcomer has it after a while, and what the pages call otherwise."""

    folder: Path
    bootstrap: str
    names: dict[str, str]

    def invoke(self, words: list[str]) -> str:
        """What a command of loveloop prints; a failure fails the test with all that it said."""
        environment = {"KAFKA_BOOTSTRAP": self.bootstrap, "LOVELOOP_WAREHOUSE": None, "LOVELOOP_HOME": None}
        done = CliRunner().invoke(group, words, env=environment)
        assert done.exit_code == 0, f"loveloop {shlex.join(words)}: {done.output} {done.exception!r}"
        return done.output


def commands(page: Path) -> list[str]:
    """The commands in the page's blocks of shell, comments left out, continued lines joined."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    said = [re.sub(r"(^|\s)#\s.*$", "", line).strip().removesuffix("&").strip() for line in lines]
    return [line for line in said if line]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A small product: a log of two days with an experiment and an attacker, a warehouse, a broker, files."""
    folder = tmp_path_factory.mktemp("desk")
    with brokers.start("tansu", tmp_path_factory.mktemp("broker")) as broker, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        desk = Desk(folder, broker.bootstrap, {})
        desk.invoke(["topics", "create"])
        sizes = ["--responses", "1500", "--users", "150", "--days", "2", "--love-rate", "0.05", "--experiment"]
        desk.invoke(["simulate", *sizes, "--attack", "burst_bots:0.25"])
        newer = b'{"type":"response_served","schema_version":99}\n{"type":"reaction_changed","schema_version":99}\n'
        events = folder / "data/world/events.ndjson"
        events.write_bytes(events.read_bytes() + newer)
        desk.invoke(["import", str(events)])
        _files(folder, [json.loads(line) for line in events.read_bytes().splitlines()[:90]])
        desk.names.update(_names(desk))
        yield desk


def _files(folder: Path, events: list[dict[str, Any]]) -> None:
    """The files that pages read, in the shapes that they speak of."""
    models = (f"runs/demo/cycles/0001/models/{name}" for name in ("p_love", "incumbent"))
    own = ("models/chat", "models/love-r1", "models/retention", "old-p_love", "new-p_love", "my-policy")
    for name in ("deploy/recipes", "clients/python", *own, *models):
        (folder / name).mkdir(parents=True)
    for recipe in (ROOT / "deploy" / "recipes").glob("*.toml"):
        shutil.copy(recipe, folder / "deploy/recipes")
    some = "".join(json.dumps(event) + "\n" for event in events[:50])
    for name in ("events.ndjson", "history.jsonl", "talks.ndjson", "loves.parquet", "asked.jsonl"):
        (folder / name).write_text(some)
    row = "u1,r1,s1,2026-03-01T12:00:00Z,love\n"
    (folder / "hearts.csv").write_text(f"uid,response_id,session_id,reacted_at,reaction\n{row}")
    (folder / "corrected.json").write_text(json.dumps(events[0]))
    (folder / "gateway.toml").touch()
    (folder / "models/love-r1/adapter_config.json").write_text("{}")
    candidate = folder / "runs/live/cycles/0001/candidates/love-0.3-d9d62d7d"
    candidate.mkdir(parents=True)
    (candidate / "card.json").write_text("{}")
    users = sorted({event["user_id"] for event in events})
    (folder / "revenue.csv").write_text("user_id,revenue\n" + "".join(f"{user},{len(user)}\n" for user in users))
    served = [event for event in events[50:] if event["type"] == "response_served"]
    pq.write_table(pa.Table.from_pylist(served), folder / "january.parquet")
    duckdb.sql(
        "COPY (SELECT 'u1' AS uid, 'r1' AS message_id, TIMESTAMP '2026-03-01 12:00:00' AS created, '❤️' AS emoji) "
        f"TO '{folder}/hearts.parquet'"
    )


def _names(desk: Desk) -> dict[str, str]:
    """What the small product has in the place of the pages' names."""
    old, new = (
        desk.invoke(["training-set", "build", "--as-of", day]).split()[-1] for day in ("2026-01-31", "2026-11-01")
    )
    letter = desk.invoke(["dead-letters", "list", "--reason", "unknown_version"]).splitlines()[-1].split()[0]
    flagged = json.loads(desk.invoke(["quarantine", "list", "--json"]).splitlines()[0])["user_id"]
    events = [json.loads(line) for line in (desk.folder / "events.ndjson").read_text().splitlines()]
    users = sorted({event["user_id"] for event in events} - {flagged})
    return {
        "data/training-sets/0e513f317165": old,
        "data/training-sets/7a77c1d0b2aa": new,
        "loveloop.events/0/4711/12": letter,
        "ab-love-0.3-d9d62d7d": "warmer",
        "u1": users[0],
        "u17": flagged,
        "u18": users[1],
    }


@pytest.fixture
def desk(template: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A copy of the small product, and the folder that one works in."""
    folder = shutil.copytree(template.folder, tmp_path / "desk")
    monkeypatch.chdir(folder)
    return template._replace(folder=folder)


def reason_to_parse(words: list[str]) -> str | None:
    """Why a command of loveloop is not executed; None where it is."""
    given = set(words)
    if any(given >= set(each.split()) for each in EXECUTED):
        return None
    found = (why for each, why in PARSED.items() if words[0] == each.split()[0] and given >= set(each.split()))
    return next(found, None)


def parse(words: list[str]) -> None:
    """Read a command by its own parser, down to the last subcommand; a fault is an error of click's."""
    command, context = group, None
    while isinstance(command, click.Group):
        context = command.make_context(words[0], words[1:], parent=context)
        _, found, words = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command, words = found, [str(found.name), *words]
    command.make_context(words[0], words[1:], parent=context)


def loveloop(desk: Desk, words: list[str]) -> None:
    """Execute a command in the small, or read it."""
    words = [desk.names.get(word, word) for word in words]
    if words[0] == "simulate":
        words = [*words, *(SMALL[:2] if "--long" in words else SMALL)]
    if reason_to_parse(words):
        for word in words:
            if re.fullmatch(r"[\w./-]+\.(jsonl?|csv|parquet)", word):
                Path(word).touch()  # parsers ask whether a file is there
        parse(["loveloop", *words])
    else:
        desk.invoke(words)


def bench(desk: Desk, words: list[str]) -> None:
    """Have a benchmark's own parser read its options: benchmarks take minutes, tests/bench runs them in the small."""

    class Read(Exception):  # noqa: N818  (it ends the script when all is well)
        pass

    parse_args = argparse.ArgumentParser.parse_args

    def read(parser: argparse.ArgumentParser, *_: Any) -> None:
        parse_args(parser, words[1:])
        raise Read

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", read)
        patch.syspath_prepend(str(ROOT / "bench"))
        patch.setattr(sys, "argv", words)
        with pytest.raises(Read):
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")


def python(desk: Desk, words: list[str]) -> None:
    """Run `-c CODE`, or read the options of a benchmark."""
    if words[0] == "-c":
        exec(compile(words[1], "page", "exec"), {})
    else:
        bench(desk, words)


def make(desk: Desk, words: list[str]) -> None:
    """Have make say what it would do."""
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def curl(desk: Desk, words: list[str]) -> None:
    """Have the collector's judge read the body; tests/streams/test_collector.py posts to a collector that runs."""
    if words[0].startswith("http://127.0.0.1:8080/"):
        gateway(words)
        return
    assert words[0] == "http://127.0.0.1:8090/events"
    body = words[2].encode()
    if words[1] == "--data-binary":
        body = (desk.folder / words[2].removeprefix("@")).read_bytes()
    judged = collector.judge(body, datetime.now(UTC))
    assert judged.lines
    assert judged.bad == []


def gateway(words: list[str]) -> None:
    """Hold a request to the gateway against its own document; tests/streams/gateway posts to one that runs."""
    path = openapi.PATHS[words[0].removeprefix("http://127.0.0.1:8080")]
    if "-d" not in words:
        assert "get" in path
        return
    operation = path["post"]
    headers = {word.partition(":")[0] for option, word in itertools.pairwise(words) if option == "-H"}
    assert headers >= {each["name"] for each in operation.get("parameters", ()) if each["required"]}
    body = json.loads(words[words.index("-d") + 1])
    jsonschema.validate(body, operation["requestBody"]["content"]["application/json"]["schema"])


def docker(desk: Desk, words: list[str]) -> None:
    """Hold a command of compose against its files: there is no Docker where tests run."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    rest = iter(words[1:])
    plain: list[str] = []
    inner: list[str] = []
    for word in rest:
        if word == "--file":
            assert (ROOT / next(rest)).is_file()
        elif word == "--profile":
            assert next(rest) in profiles
        elif word.startswith("--"):
            assert word in ("--detach", "--build", "--rm", "--follow", "--volumes"), word
        else:
            plain.append(word)
            if plain[0] in ("exec", "run") and len(plain) == 2:
                inner = [*rest]  # what follows the service is its own command's
    verb, *named = plain
    assert verb in ("up", "ps", "run", "exec", "logs", "kill", "restart", "down"), verb
    assert set(named) <= set(services), named
    if verb == "run":
        assert not inner or named == ["play"]
        load("play").read_words(inner)
    elif verb == "exec" and inner[0] == "loveloop":
        parse(inner)
    elif verb == "exec":
        assert inner[0] == "ls" or inner[:3] == ["dagster", "job", "execute"], inner


def pip(desk: Desk, words: list[str]) -> None:
    """A folder that is installed is a package."""
    assert words[0] == "install"
    assert (ROOT / words[1] / "pyproject.toml").is_file()


def activate(desk: Desk, words: list[str]) -> None:
    """The environment is where the Makefile makes it."""
    assert words == [".venv/bin/activate"]
    assert "VENV := .venv\n" in (ROOT / "Makefile").read_text()


def hooks(desk: Desk, words: list[str]) -> None:
    """The hooks that are installed are configured."""
    assert words == ["install"]
    assert yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]


PROGRAMS = {
    "loveloop": loveloop, "make": make, "curl": curl, "docker": docker, "pip": pip, "python": python,
    ".": activate, ".venv/bin/python": python, ".venv/bin/pre-commit": hooks,
}  # fmt: skip


def attempt(desk: Desk, line: str) -> None:
    """Try one command."""
    words = shlex.split(line)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    assert words[0] in PROGRAMS, f"{line}: say in {Path(__file__).name} how {words[0]} is tried"
    PROGRAMS[words[0]](desk, words[1:])


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_every_command_of_the_page_does_what_it_is_shown_to_do(page: Path, desk: Desk) -> None:
    for line in commands(page):
        attempt(desk, line)


@pytest.mark.parametrize("line", ["loveloop run --recipe none.toml", "loveloop export", "loveloop ingest --fast", "ls"])
def test_a_command_that_is_wrong_is_found(line: str, desk: Desk) -> None:
    with pytest.raises((AssertionError, click.ClickException)):
        attempt(desk, line)
