"""What a person sees of late truth: the diff of two training sets, and the alarm for reactions that wait."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assets.cli.training_set import training_set
from assets.cli.warehouse import warehouse
from streams.events import Event, Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.topics import TOPICS
from warehouse import connection
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def served(number: int) -> ResponseServed:
    at = NOON + timedelta(minutes=number)
    return ResponseServed(
        event_id=new_event_id(at), user_id="ann", served_at=at, response_id=f"r{number}", conversation_id="c",
        turn=number, session_id="s", policy="v7", conversation=[Message("user", "How do I grow roses?")],
        response="With patience.",
    )  # fmt: skip


def loved(response: str, at: datetime, action: Any = "added") -> ReactionChanged:
    return ReactionChanged(
        event_id=new_event_id(at), user_id="ann", reacted_at=at, response_id=response, reaction="love", action=action,
        session_id="s",
    )  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Path:
    made = tmp_path / "warehouse.duckdb"
    connection.open(made).migrate()
    return made


def pour(target: Path, *events: Event) -> None:
    with connection.open(target).read() as reader:
        (first,) = reader.execute("SELECT coalesce(max(next_offset), 0) FROM ingest_positions").fetchone() or (0,)
    stamp = int((NOON + 99 * HOUR).timestamp() * 1000)
    records = [Record(TOPICS.events, 0, first + n, stamp, encode(event)) for n, event in enumerate(events)]
    commit(connection.open(target), decode_batch(records), {TopicPartition(TOPICS.events, "t", 0): first})


@pytest.mark.slow
def test_options_alone_build_a_set_and_diff_tells_what_changed_and_why(target: Path, tmp_path: Path) -> None:
    places = ["--warehouse", str(target)]
    build = [*places, "--out", str(tmp_path / "sets"), "--as-of"]
    pour(target, *map(served, range(3)), loved("r0", NOON + HOUR))
    first = CliRunner().invoke(training_set, [*build, "2026-03-03"])
    assert first.exit_code == 0, first.output
    pour(target, loved("r0", NOON + 50 * HOUR, "removed"), loved("r2", NOON + 51 * HOUR))
    second = CliRunner().invoke(training_set, ["build", *build, "2026-03-05", "--credit", "decay"])
    sets = [done.output.split()[-1] for done in (first, second)]
    told = CliRunner().invoke(training_set, ["diff", *places, *sets])
    assert told.output.startswith("3 rows before, 3 after, 3 changes"), told.output
    assert "r1                       2026-03-01 12:01      0    0.5  flipped: credit rule" in told.output
    plain = CliRunner().invoke(training_set, ["build", *build, "2026-03-05"]).output.split()[-1]
    found = json.loads(CliRunner().invoke(training_set, ["diff", *places, sets[0], plain, "--json"]).output)
    assert found["counts"] == {"flipped to loved": {"late love": 1}, "flipped to not loved": {"retracted": 1}}


@pytest.mark.slow
def test_the_status_warns_of_reactions_that_wait_for_too_long(target: Path) -> None:
    pour(target, loved("lost", NOON))
    done = CliRunner().invoke(warehouse, ["status", "--warehouse", str(target), "--json"])
    assert done.exit_code == 0
    assert "warning: 1 of 1 waiting reactions have waited too long" in done.stderr
    assert json.loads(done.stdout)["waiting_since"] == str(NOON)


@pytest.mark.slow
def test_the_asset_check_warns_of_them_too(tmp_path: Path) -> None:
    from assets.checks import reactions_find_their_responses
    from assets.pipeline import prepare

    run = prepare(tmp_path / "run", Path(__file__).with_name("tiny.toml"), None)
    connection.open(run.warehouse).migrate()
    pour(Path(run.warehouse), served(0), loved("lost", NOON - 30 * HOUR))
    checked = reactions_find_their_responses(run)
    assert (checked.passed, checked.warn) == (False, True)
    pour(Path(run.warehouse), ResponseServed(**(_fields(served(1)) | {"response_id": "lost"})))
    assert reactions_find_their_responses(run).passed


def _fields(event: ResponseServed) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


@pytest.mark.slow
def test_a_recipe_s_rule_of_credit_is_frozen_and_is_what_p_love_learns(tmp_path: Path) -> None:
    from assets.pipeline import prepare
    from assets.stage import perform
    from assets.stages import feedback, labels
    from warehouse import training_set as sets

    recipe = tmp_path / "decay.toml"
    recipe.write_text('source = "world"\n[training_set]\ncredit = "decay"\ndecay = 0.25\n')
    run = prepare(tmp_path / "run", recipe, None)
    connection.open(run.warehouse).migrate()
    early = timedelta(days=55)
    turns = [_moved(served(n), early) for n in range(2)]
    pour(Path(run.warehouse), *turns, loved("r1", turns[1].served_at))
    facts = perform(run, feedback.TRAINING_SET).recorded
    assert (facts["credit"], facts["decay"]) == ("decay", 0.25)
    rows = sets.load(feedback.training_set_directory(run))
    assert labels.from_training_set(rows)["label"].to_pylist() == [0.25, 1.0]
    old = rows.drop_columns(["credit", "credit_rule"])
    assert labels.from_training_set(old)["label"].to_pylist() == [True, True]


def _moved(event: ResponseServed, back: timedelta) -> ResponseServed:
    return ResponseServed(**(_fields(event) | {"served_at": event.served_at - back}))
