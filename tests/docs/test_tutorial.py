"""The tutorial works: its commands are executed on an export of the shape that it shows, in the small."""

import json
import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assets.cli import group
from streams.events import ContractError, decode
from streams.fixtures import Worlds
from streams.synthetic.config import Experiment

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
SIGNS = {"love": "❤️", "like": "👍", "dislike": "👎"}
TINY = """
source = "warehouse"
helpfulness = false
incumbent = { examples = 400, width = 32, layers = 1 }
p_love.config = { test_users = 0.5, test_time = 0.5, epochs = 1 }
policy.love_weights = [0.3]
policy.config = { rounds = 1, prompts = 20, samples = 2 }
evaluation = { prompts = 30, judged = 30 }
"""
"""Stands for the laptop's recipe: everything real, nothing good, seconds."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def answer(event: dict[str, Any]) -> dict[str, Any]:
    """A row of the product's answers, as the tutorial shows one."""
    row = {
        "id": event["response_id"], "chat": event["conversation_id"], "n": event["turn"], "user": event["user_id"],
        "at": event["served_at"], "model": event["policy"], "messages": event["conversation"],
        "text": event["response"],
    }  # fmt: skip
    return row | ({"test": event["experiment"], "group": event["arm"]} if "arm" in event else {})


def sign(event: dict[str, Any]) -> dict[str, Any]:
    """A row of the product's reactions."""
    at = event["reacted_at"].replace("T", " ").removesuffix("Z")
    return {"message": event["response_id"], "user": event["user_id"], "at": at, "sign": SIGNS[event["reaction"]]}


def export(events: Iterable[dict[str, Any]], answers: Path, signs: Path) -> None:
    """Write what a product that knows nothing of loveloop would export of these events."""
    files: dict[Path, list[dict[str, Any]]] = {answers: [], signs: []}
    for event in events:
        if event["type"] == "response_served":
            files[answers].append(answer(event))
        elif event["action"] == "added" and event["reaction"] in SIGNS:
            files[signs].append(sign(event))
    for file, rows in files.items():
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def sound(lines: Iterable[bytes]) -> Iterable[dict[str, Any]]:
    """The events among a world's lines; some are spoilt."""
    for line in lines:
        with suppress(ContractError):
            decode(line, received_at=datetime.now(UTC))
            yield json.loads(line)


def later(event: dict[str, Any], policy: str) -> dict[str, Any]:
    """The event four weeks later, its treatment served by `policy`."""
    moment = "served_at" if event["type"] == "response_served" else "reacted_at"
    at = datetime.fromisoformat(event[moment]) + timedelta(days=28)
    changed = event | {moment: at.isoformat().replace("+00:00", "Z")}
    if event["type"] == "response_served":
        changed |= {"experiment": "warmer", "policy": policy if event["arm"] == "treatment" else "v7"}
    return changed | {"response_id": "t" + event["response_id"]}


def blocks(kind: str) -> list[str]:
    """The page's blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def rows_shown() -> list[dict[str, Any]]:
    """The rows that the page shows: an answer, a reaction, an answer of the test."""
    return [json.loads(line) for block in blocks("json") for line in block.splitlines()]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, loveloop_world: Worlds) -> Path:
    """A newcomer's folder: an export, and recipes, of which the laptop's is a tiny one."""
    folder = tmp_path_factory.mktemp("newcomer")
    recipes = folder / "deploy" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "laptop.toml").write_text(TINY)
    world = loveloop_world(responses=4_000, users=400, days=3, base_love_rate=0.05)
    events = [event | ({"policy": "v7"} if "policy" in event else {}) for event in sound(world.lines())]
    export(events, folder / "answers.jsonl", folder / "signs.jsonl")
    (folder / "signs.csv").write_text("message,user,at,sign\nr1,u1,2026-01-17 00:09:24,❤️\n")
    return folder


def serve(desk: Path, loveloop_world: Worlds) -> str:
    """What the product logs while it serves the candidate in a test; returns the candidate's name."""
    (candidate,) = (desk / "runs" / "first" / "cycles" / "0001" / "candidates").iterdir()
    world = loveloop_world(responses=2_000, users=400, days=3, base_love_rate=0.05, experiment=Experiment(), seed=2)
    events = (later(event, candidate.name) for event in sound(world.lines()))
    export(events, desk / "test-answers.jsonl", desk / "test-signs.jsonl")
    return candidate.name


def test_the_export_that_is_tried_has_the_shape_that_the_page_shows(desk: Path) -> None:
    shown = rows_shown()
    for row, file in zip(shown[:2], ("answers.jsonl", "signs.jsonl"), strict=True):
        first = json.loads((desk / file).read_text().splitlines()[0])
        assert {name: type(value) for name, value in first.items()} == {name: type(row[name]) for name in row}
    assert set(shown[2]) == set(shown[0]) | {"test", "group"}


def test_the_page_leads_from_an_export_to_p_love_a_candidate_and_a_readout(
    desk: Path, loveloop_world: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk)
    said: dict[str, str] = {}
    lines = [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    for words in map(shlex.split, lines):
        match words:
            case ["make", _] | [".", _]:
                pass  # the environment is there; tests/docs/test_commands.py tries these
            case ["python", "-c", code]:
                exec(compile(code, "tutorial", "exec"), {})
                assert Path("signs.parquet").is_file()
            case ["loveloop", "run", *_] if "candidate" in said:
                pass  # a second cycle takes as long as the first; tests/assets/test_live_product.py has one
            case ["loveloop", *rest]:
                if "test-answers.jsonl" in rest:
                    said["candidate"] = serve(desk, loveloop_world)
                done = CliRunner().invoke(group, rest)
                refused = "--check" in rest and "would be refused" in done.output  # the page shows one that is
                assert done.exit_code == int(refused), f"{words}: {done.output} {done.exception!r}"
                said[" ".join(rest)] = done.output
            case _:
                pytest.fail(f"nobody knows how to try {words}")
    told = list(said.values())
    assert "all of them keep the contract" in told[0]
    assert "must be a moment with its time zone" in told[1]
    assert re.search(r"P\[Love\]: .*\n +AUROC 0\.\d+ \(", said["run --recipe deploy/recipes/laptop.toml --name first"])
    readout = said["experiment read warmer --share control=0.5"]
    assert said["candidate"] in readout
    assert re.search(r"^decision +(ship|stop|continue)", readout, flags=re.MULTILINE)
    assert re.search(rf"^{said['candidate']} +warmer", said["ledger"], flags=re.MULTILINE)
