"""The daily job against adversaries as stage, job and command, and what the truth says of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assets import truth
from assets.asset import RECIPES, RunResource
from assets.cli import group
from assets.definitions import build
from assets.pipeline import prepare, stages
from assets.run import Run
from assets.stages import adversary, source
from streams.synthetic.world import simulate
from streams.topics import TOPICS
from training.trust import CrossFit
from warehouse import connection
from warehouse.adversary import excluded
from warehouse.adversary.daily import periodic
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition

SMALL = """
source = "world"
[world]
responses = 3000
users = 300
days = 5
base_love_rate = 0.02
[world.attacks]
slow_drip = 0.2
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose events are in its warehouse; the tests share it."""
    return ingested(tmp_path_factory.mktemp("run"))


def ingested(place: Path) -> Run:
    """A run as its ingest leaves it, but without a broker."""
    (place / "small.toml").write_text(SMALL)
    made = prepare(place / "small", place / "small.toml", None)
    config = source.world_config(made)
    simulate(config, made.world)
    warehouse = connection.open(made.own_warehouse)
    warehouse.migrate()
    received = int(config.ends_at.timestamp() * 1000)
    lines = (made.world / "events.ndjson").read_bytes().splitlines()
    records = [Record(TOPICS.events, 0, place, received, line) for place, line in enumerate(lines)]
    commit(warehouse, decode_batch(records), {TopicPartition(TOPICS.events, "life", 0): 0})
    return made


@pytest.mark.slow
def test_the_stage_judges_every_day_and_the_truth_agrees(run: Run) -> None:
    facts = adversary.STAGE.work(run)
    assert facts.days == 5
    assert sum(facts.flags.values()) > 0
    assert facts.users_aside > 0
    held = truth.adversary(run)
    assert held["recall_by_attack"].keys() == {"slow_drip"}
    assert held["recall"] > 0.5
    assert held["honest_loss"] < 0.1


@pytest.mark.slow
def test_a_resumed_stage_counts_the_days_that_were_judged_before_it_was_interrupted(tmp_path: Path) -> None:
    run = ingested(tmp_path)
    second = source.world_config(run).ends_at.date() - timedelta(days=4)
    before = periodic.run(run.own_warehouse, CrossFit.load, until=second)
    resumed = adversary.STAGE.work(run)
    assert 0 < len(before) < resumed.days == 5
    assert resumed.summary.startswith("5 days judged; flagged: ")
    judged = excluded.judged_days(run.own_warehouse)
    assert sum(resumed.flags.values()) == sum(sum(day["flags"].values()) for day in judged) > 0


def test_days_that_were_judged_by_another_dial_are_told_apart() -> None:
    day = {"flags": {"evidence": 1}, "seconds": {"read": 0.5}, "lines": {}, "sentences": ()}
    found = adversary.summed([day | {"dial": 0.01}, day | {"dial": 0.05}], 0.05)
    assert found.summary == "2 days judged, 1 of them earlier by another honest_loss than 0.05; flagged: 2 by evidence"
    assert (found.flags, found.cpu_seconds) == ({"evidence": 2}, {"read": 1.0})


def test_feedback_waits_for_the_filter(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    order = [stage.name for stage in stages(prepare(tmp_path / "run", tmp_path / "small.toml", None).recipe)]
    assert order.index("ingest") < order.index("adversary") < order.index("clean_feedback")


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "status"), [("live.toml", "RUNNING"), ("demo.toml", "STOPPED")])
def test_a_live_warehouse_is_judged_every_night_before_its_upkeep(recipe: str, status: str, tmp_path: Path) -> None:
    definitions = build(RunResource(directory=str(tmp_path), recipe_file=str(RECIPES / recipe)))
    schedule = definitions.resolve_schedule_def("nightly_adversary_days")
    assert schedule.cron_schedule == "15 2 * * *"
    assert schedule.default_status.name == status


@pytest.mark.slow
def test_the_command_and_the_job_have_nothing_left_to_judge(run: Run) -> None:
    command: list[Any] = ["quarantine", "update", "--warehouse", str(run.own_warehouse), "--until", "2026-01-31"]
    for _ in range(2):
        done = CliRunner().invoke(group, command)
        assert done.exit_code == 0, done.output
    assert "no day is pending" in done.output
    definitions = build(RunResource(directory=str(run.directory)))
    assert definitions.resolve_job_def("adversary_days").execute_in_process().success
