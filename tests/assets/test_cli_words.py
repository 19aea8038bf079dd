"""What commands print is for people: tables and sentences, never a Python value; `--json` is JSON and nothing else."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from assets.cli.stream import _account
from experiments import ledger
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.topics import TOPICS
from warehouse import connection, queries
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition
from warehouse.sink import IngestReport

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def event(user: str, number: int) -> list[bytes]:
    """A response that its user loves at once."""
    at = NOON + number * timedelta(minutes=10)
    common: dict[str, Any] = {"user_id": user, "response_id": f"{user}-{number}", "session_id": "s"}
    served = ResponseServed(
        event_id=new_event_id(at), served_at=at, conversation_id="c", turn=number, policy="p",
        conversation=[Message("user", f"And {number}?")], response=f"It is {number}.", **common,
    )  # fmt: skip
    love = ReactionChanged(
        event_id=new_event_id(at), reacted_at=at + timedelta(seconds=8), reaction="love", action="added", **common
    )
    return [encode(served), encode(love)]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A warehouse with three users who love all that they see, and two broken lines."""
    path = tmp_path / "w.duckdb"
    connection.open(path).migrate()
    lines = [line for user in ("ann", "bea", "cem") for number in range(12) for line in event(user, number)]
    record = Record(
        TOPICS.events, 0, 0, int((NOON + timedelta(days=3)).timestamp() * 1000), b"\n".join([*lines, b"{", b"["])
    )
    commit(connection.open(path), decode_batch([record]), {TopicPartition(TOPICS.events, "t", 0): 0})
    return path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(group, [str(word) for word in words])


def learnt(target: Path, number: int, measured: float | None, predicted: float = 0.2) -> None:
    row = ledger.row(
        f"love-{number}", predicted_lift=predicted, measured_lift=measured, measured_ci=(-0.1, float("inf")),
        experiment=f"warmer-{number}", day=date(2026, 3, number), one_look=(measured - 0.1, measured + 0.1)
        if measured else (None, None),
    )  # fmt: skip
    queries.append_ledger(target, row._asdict())


def test_the_ledger_is_a_table_and_a_sentence(target: Path) -> None:
    assert run("ledger", "--warehouse", target).output == "no experiment has been read out yet: the ledger is empty\n"
    learnt(target, 1, 0.15)
    learnt(target, 2, None)
    head, first, second, _, words = run("ledger", "--warehouse", target).output.splitlines()
    assert re.split("  +", head) == [
        "candidate",
        "experiment",
        "day",
        "predicted lift",
        "measured lift",
        "95 % interval",
        "gates",
    ]
    assert re.split("  +", first.rstrip())[:6] == [
        "love-1",
        "warmer-1",
        "2026-03-01",
        "+20.0%",
        "+15.0%",
        "-10.0% to not known",
    ]
    assert "not known" in second
    assert words.startswith("1 experiment with both lifts: at least 3 are needed")


def test_the_ledger_as_json_is_json_and_nothing_else(target: Path) -> None:
    for number, (predicted, measured) in enumerate([(0.1, 0.12), (0.2, 0.19), (0.3, 0.4), (0.4, 0.41)], start=1):
        learnt(target, number, measured, predicted)
    found = json.loads(run("ledger", "--warehouse", target, "--json").stdout)
    assert [row["candidate"] for row in found["experiments"]] == ["love-1", "love-2", "love-3", "love-4"]
    agreed = found["agreement"]
    assert agreed["r"] > 0.9 > agreed["ci"][0]
    assert agreed["passed"] is False  # of four experiments
    assert {"rho", "rho_ci", "corrected_r", "corrected_ci", "slope", "slope_ci", "details"} <= agreed.keys()
    page = run("ledger", "--warehouse", target).output
    assert f"P[Love] may not gate launches: r = {agreed['r']:.2f} " in page
    assert page.endswith("".join(f"{each}\n" for each in agreed["details"]))


@pytest.mark.slow
def test_the_status_is_a_table_whose_figures_are_those_of_its_json(target: Path) -> None:
    told = run("warehouse", "status", "--warehouse", target).output
    found = json.loads(run("warehouse", "status", "--warehouse", target, "--json").stdout)
    assert found == json.loads(json.dumps(queries.counts(target), default=str))
    told = re.sub(" +", " ", told)
    assert (found["responses"], found["reactions"], found["dead_letters"]) == (36, 36, 2)
    assert "responses 36\nreactions 36 of them 0 take one back\n" in told
    assert "dead letters, open 2 2 not_json; `loveloop dead-letters list` shows them\n" in told
    assert "last response served: 2026-01-05 13:50 UTC" in told
    assert "{" not in told


@pytest.mark.slow
def test_lists_that_are_cut_say_how_much_there_is(target: Path) -> None:
    assert (
        "2 of 3 shown; --limit 3 shows all" in run("quarantine", "list", "--limit", "2", "--warehouse", target).output
    )
    cut = run("quarantine", "list", "--limit", "2", "--json", "--warehouse", target)
    assert len([json.loads(line) for line in cut.stdout.splitlines()]) == 2
    assert "2 of 3 shown" in cut.stderr
    assert "shown" not in run("quarantine", "list", "--warehouse", target).output
    cut = run("dead-letters", "list", "--limit", "1", "--warehouse", target)
    assert "the newest 1 of 2 shown; --limit 2 shows all" in cut.output


@pytest.mark.slow
def test_a_day_that_is_judged_is_told_in_words(target: Path) -> None:
    told = run("quarantine", "update", "--until", "2026-01-05", "--warehouse", target)
    assert told.exit_code == 0, told.output
    assert told.output.startswith("2026-01-05: users judged: 3; newly flagged: ")
    assert "{" not in told.output
    assert "{" not in run("quarantine", "explain", "ann", "--warehouse", target).output


def test_what_ingest_says_adds_up() -> None:
    report = IngestReport(
        events=87_917, responses=60_187, reactions=6_101, duplicates=1_351, dead_letters=155, flags=3, metrics=20_120
    )
    told = _account(report)
    assert told == (
        "87,917 events: 60,187 responses, 6,101 reactions, 20,123 flags, counts and trips of the live guard, "
        "1,351 duplicates dropped, 155 dead letters"
    )
    assert _account(IngestReport()) == "0 events: 0 responses, 0 reactions"


@pytest.mark.slow
def test_topics_that_were_there_are_named_too(tansu: str) -> None:
    first, second = (run("topics", "create", "--bootstrap", tansu) for _ in range(2))
    assert first.exit_code == second.exit_code == 0
    assert second.stdout.splitlines() == [f"{name} was there already, left as it is" for name in TOPICS]
    assert "the sink's clock says when an event was received" in second.stderr


@pytest.mark.parametrize("word", ["u\0", "u\udcff"])  # bytes of the command line that are no UTF-8 arrive as the latter
def test_words_that_are_no_text_are_refused(word: str) -> None:
    for words in (("erase", word), ("dead-letters", "list", "--reason", word), (word,)):
        done = run(*words)
        assert done.exit_code == 2
        assert f"{word!a} is no text in UTF-8, or holds a NUL" in done.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("broker", "--port", "70000"), "70000 is not in the range 0<=x<=65535"),
        (("guard", "--web-port", "-1"), "-1 is not in the range 0<=x<=65535"),
        (("training-set", "build", "--maturity-hours", "-1"), "-1.0 is not in the range 0<=x<=87600"),
        (("training-set", "build", "--maturity-hours", "1e12"), "is not in the range 0<=x<=87600"),
        (("quarantine", "update", "--honest-loss", "nan"), "nan is not in the range 0<x<0.5: must be a finite number"),
        (("guard", "--closing-factor", "nan"), "must be a finite number"),
        (("dead-letters", "list", "--limit", "99999999999"), "99999999999 is too large: must be at most 2,147,483,647"),
        (("simulate", "--seed", "-1"), "-1 is not in the range 0<=x<=4294967295"),
        (("dead-letters", "list", "--redriven", "--reason", "not_json"), "leave --reason or --redriven out"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_range(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize("name", ["spoilt.parquet", "spoilt.jsonl.gz", "spoilt.jsonl.zst"])
def test_a_file_that_is_not_what_its_name_says_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"garbage")
    for more in ((), ("--dry-run",)):
        done = run("import", tmp_path / name, "--warehouse", tmp_path / "w.duckdb", *more)
        assert isinstance(done.exception, RuntimeError)
        assert f"{name} cannot be read as " in str(done.exception)
