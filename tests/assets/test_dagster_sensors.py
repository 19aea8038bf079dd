"""What Dagster does by itself: sensors and schedules on a live warehouse that a test fills."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.asset import RunResource
from assets.cycle import open_cycle, write_json
from assets.definitions import build
from assets.lock import alone
from assets.pipeline import prepare
from assets.run import Run
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.live.messages import Trip
from streams.topics import TOPICS
from warehouse import connection
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.live import store_trips
from warehouse.ingest.records import Record, TopicPartition

pytestmark = pytest.mark.slow
LIVE = """
source = "warehouse"
[triggers]
new_loves = 5
dead_letter_share = 0.1
"""
SERVED_AT = datetime(2026, 3, 1, tzinfo=UTC)
EVERY_WEIGHT = {"dagster/asset_partition_range_start": "0", "dagster/asset_partition_range_end": "0.3"}
"""The tags of a run that sweeps."""


class Live:
    """A run over a warehouse that grows."""

    def __init__(self, place: Path) -> None:
        (place / "live.toml").write_text(LIVE)
        self.warehouse = connection.open(place / "w.duckdb")
        self.warehouse.migrate()
        self.run: Run = prepare(place / "runs" / "live", place / "live.toml", None, place / "w.duckdb")
        self.definitions = build(RunResource(directory=str(self.run.directory)))
        self.read = 0

    def comes(self, lines: list[bytes]) -> None:
        """Event lines are ingested."""
        now = int(datetime.now(UTC).timestamp() * 1000)
        records = [Record(TOPICS.events, 0, self.read + place, now, line) for place, line in enumerate(lines)]
        commit(self.warehouse, decode_batch(records), {TopicPartition(TOPICS.events, "life", 0): self.read})
        self.read += len(lines)

    def finished(self, stage: str, **facts: Any) -> None:
        """A stage finished in the newest cycle."""
        cycle = self.run.cycle or open_cycle(self.run.directory, "test", {})
        marker = {"stage": stage, "key": "k", "parts": {"code": "c"}, "version": "v", "needs": [], "seconds": 1.0}
        finished_at = datetime.now(UTC).isoformat()
        write_json(cycle.marker_file(stage), {**marker, "finished_at": finished_at, "facts": facts})

    def looks(self, name: str, cursor: str | None = None) -> Any:
        """One evaluation of a sensor."""
        resources = {"run": RunResource(directory=str(self.run.directory))}
        sensor = self.definitions.resolve_sensor_def(name)
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(
                instance=instance, cursor=cursor, resources=resources, definitions=self.definitions
            )
            return sensor.evaluate_tick(context)


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(tmp_path)


def served(number: int, *, loved: bool = False, policy: str = "base", experiment: str | None = None) -> list[bytes]:
    """A response of a day long past, and perhaps its love."""
    user, response = f"u{number}", f"r{number}-{policy}"
    moment = SERVED_AT + timedelta(minutes=number)
    shown = ResponseServed(
        event_id=new_event_id(moment),
        response_id=response,
        user_id=user,
        session_id=user,
        conversation_id=user,
        turn=0,
        served_at=moment,
        conversation=[Message(role="user", content=f"question {number}")],
        response=f"answer number {number}, at length",
        policy=policy,
        experiment=experiment,
        arm="treatment" if experiment else None,
    )
    if not loved:
        return [encode(shown)]
    love = ReactionChanged(
        event_id=new_event_id(moment),
        response_id=response,
        user_id=user,
        session_id=user,
        reaction="love",
        action="added",
        reacted_at=moment + timedelta(minutes=3),
    )
    return [encode(shown), encode(love)]


MANIFEST: dict[str, Any] = dict.fromkeys(
    ("first_served_at", "last_served_at", "as_of", "created_at"), "2026-03-01T00:00:00Z"
) | {"directory": "training-sets/a", "rows": 100, "maturity_hours": 24.0, "filter_version": "1", "positions": []}


def test_enough_new_loves_begin_a_cycle_once_for_each_threshold(live: Live) -> None:
    live.comes([line for number in range(12) for line in served(number, loved=True)])
    live.finished("training_set", **MANIFEST, positives=8, hash="a" * 64)
    waiting = live.looks("enough_new_loves")
    assert waiting.run_requests == []
    assert waiting.skip_message == f"4 loves count that training set {'a' * 12} does not hold; a cycle begins at 5"
    live.finished("training_set", **MANIFEST, positives=1, hash="b" * 64)
    (request,) = live.looks("enough_new_loves").run_requests
    assert request.run_key == f"{'b' * 12}-2"
    assert request.tags.items() >= EVERY_WEIGHT.items()
    assert request.run_config["ops"]["policy"] == {"config": {"anew": False}}
    with alone(live.run.directory, "somebody"):
        assert live.looks("enough_new_loves").skip_message.startswith("somebody (process")


def test_a_candidate_that_passed_is_announced_once_and_read_once_it_is_served(live: Live) -> None:
    assert "no candidate is staged" in live.looks("staged_candidate").skip_message
    gates = [{"name": "safety", "seen": "+1", "rule": "above 0", "passed": True}]
    live.finished("candidate", name="love-1", passed=True, gates=gates, place="candidates/love-1")
    first = live.looks("staged_candidate")
    assert first.skip_message.startswith("candidate love-1 passed: serve it")
    (announced,) = first.asset_events
    assert announced.metadata["gates"].records[0].data["name"] == "safety"
    assert live.looks("staged_candidate", first.cursor).asset_events == []
    live.comes(served(1, policy="love-1", experiment="e"))
    second = live.looks("staged_candidate", first.cursor)
    assert json.loads(second.cursor) == {"candidate": "love-1", "read": True}


def test_dead_letters_are_judged_by_what_came_since_the_last_look(live: Live) -> None:
    live.comes([b"nonsense"] * 20 + served(1))
    first = live.looks("dead_letters")
    (warned,) = first.asset_events
    assert (warned.check_name, warned.passed, warned.severity) == (
        "dead_letters_are_few", False, dg.AssetCheckSeverity.WARN,
    )  # fmt: skip
    assert "20 of 21 new lines" in first.skip_message
    live.comes([line for number in range(2, 30) for line in served(number)])
    second = live.looks("dead_letters", first.cursor)
    assert second.asset_events == []
    assert second.skip_message == "0 of 28 new lines are dead letters"


def test_a_tripped_arm_turns_its_check_yellow_once(live: Live) -> None:
    assert "none is new" in live.looks("tripped_arm").skip_message
    trip = Trip(
        experiment="tone", arm="b", metric="closing_rate", against="limit", rate=0.3, reference=0.1, served=900,
        log_evidence=20.0, alpha=0.001, tripped_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    with live.warehouse.transaction() as writer:
        store_trips(writer, [trip])
    seen = live.looks("tripped_arm")
    (warned,) = seen.asset_events
    assert (warned.check_name, warned.passed) == ("no_arm_tripped", False)
    assert "tone/b by closing_rate" in str(warned.metadata["tripped"].value)
    assert "none is new" in live.looks("tripped_arm", seen.cursor).skip_message


def test_a_warehouse_that_is_not_there_is_a_reason_and_no_failure(tmp_path: Path) -> None:
    (tmp_path / "live.toml").write_text(LIVE)
    prepare(tmp_path / "live", tmp_path / "live.toml", None, tmp_path / "absent.duckdb")
    definitions = build(RunResource(directory=str(tmp_path / "live")))
    resources = {"run": RunResource(directory=str(tmp_path / "live"))}
    context = dg.build_sensor_context(resources=resources, definitions=definitions)
    for name in ("enough_new_loves", "dead_letters", "tripped_arm"):
        assert "absent.duckdb" in str(definitions.resolve_sensor_def(name).evaluate_tick(context).skip_message), name


def test_what_the_command_line_finished_meanwhile_is_told(live: Live) -> None:
    assert live.looks("finished_elsewhere").asset_events == []
    live.finished("clean_feedback", summary="3 rows", rows=3)
    fresh = live.looks("finished_elsewhere")
    assert "whoever did it may still tell of it" in fresh.skip_message


def test_schedules_and_sensors_of_a_live_run_are_on_and_those_of_a_world_wait(live: Live, tmp_path: Path) -> None:
    tiny = Path(__file__).with_name("tiny.toml")
    world = build(RunResource(directory=str(tmp_path / "tiny"), recipe_file=str(tiny)))
    for definitions, status in ((live.definitions, "RUNNING"), (world, "STOPPED")):
        assert definitions.resolve_schedule_def("daily_loop").default_status.name == status
        assert definitions.resolve_sensor_def("enough_new_loves").default_status.name == status
        assert definitions.resolve_sensor_def("finished_elsewhere").default_status.name == "RUNNING"


def test_schedules_ask_for_every_weight_where_their_job_sweeps(live: Live) -> None:
    for name, tags in (("daily_loop", EVERY_WEIGHT), ("weekly_sweep", EVERY_WEIGHT), ("nightly_retrain", {})):
        schedule = live.definitions.resolve_schedule_def(name)
        with dg.DagsterInstance.ephemeral() as instance:
            tick = schedule.evaluate_tick(dg.build_schedule_context(instance=instance))
        (request,) = tick.run_requests or []
        assert {key: tag for key, tag in request.tags.items() if "partition" in key} == tags, name
        assert request.run_config["ops"]["p_love" if name == "nightly_retrain" else "policy"]["config"]["anew"] is False


def test_the_days_of_a_live_warehouse_are_its_partitions(live: Live, tmp_path: Path) -> None:
    live.comes(served(1, loved=True) + served(24 * 60 * 2 + 180))
    definitions = build(RunResource(directory=str(live.run.directory)))
    resources = dict(definitions.resources or {})

    def made(asset: str, day: str) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            list(definitions.assets or []),  # type: ignore[arg-type]
            selection=dg.AssetSelection.assets(asset),
            partition_key=day,
            resources=resources,
            raise_on_error=False,
        )

    (counted,) = made("events_by_day", "2026-03-01").get_asset_materialization_events()
    assert {name: counted.materialization.metadata[name].value for name in ("responses", "loves")} == {
        "responses": 1, "loves": 1,
    }  # fmt: skip
    judged = made("adversary_by_day", "2026-03-02").get_asset_materialization_events()
    assert {each.materialization.partition for each in judged} >= {"2026-03-02"}
    assert not made("adversary_by_day", "2026-03-03").success, "the day is not over"
