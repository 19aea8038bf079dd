"""From a world with a farm in it to the pictures of its groups."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets import pictures
from assets.adversary_facts import caught
from assets.report.adversary_schema import ReportAdversary
from streams.synthetic import WorldConfig
from streams.topics import TOPICS
from training.trust import CrossFit
from warehouse import connection
from warehouse.adversary.daily import periodic
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, loveloop_world: Any) -> tuple[Path, datetime]:
    """A warehouse with ten days of a farm among people, judged day by day."""
    attacks = {"lockstep_farm": 0.2}
    world = loveloop_world(
        WorldConfig(seed=3, responses=8_000, users=800, days=8, base_love_rate=0.02, attacks=attacks)
    )
    warehouse = connection.open(tmp_path_factory.mktemp("judged") / "warehouse.duckdb")
    warehouse.migrate()
    ends = world.config.ends_at
    received = int((ends + timedelta(hours=1)).timestamp() * 1000)
    records = [Record(TOPICS.events, 0, place, received, line) for place, line in enumerate(world.lines())]
    commit(warehouse, decode_batch(records), {TopicPartition(TOPICS.events, "life", 0): 0})
    periodic.run(warehouse.target, CrossFit.load, until=ends.date())
    return Path(warehouse.target), ends


@pytest.mark.slow
def test_a_farm_is_drawn_and_nobody_is_named(judged: tuple[Path, datetime]) -> None:
    warehouse, ends = judged
    plain = caught(warehouse, moment=ends, maturity_hours=24)
    found = msgspec.convert(plain, ReportAdversary)
    group = found.groups[0]
    assert found.left_out_by_rule[group.rule] > 0
    assert group.members >= 3
    assert sum(place is not None for _, place, _ in group.loves) > len(group.loves) / 2
    assert group.objects[0].accounts == max(each.accounts for each in group.objects)
    assert all(a < b or b < a for a, b, _ in group.ties)
    drawn = pictures.adversary(found)
    assert {"left_out", "judged_days", "group_0"} <= set(drawn)
    with connection.open(warehouse).read() as reader:
        users = [row[0] for row in reader.execute("SELECT DISTINCT user_id FROM responses").fetchall()]
    text = msgspec.json.encode(found).decode()
    assert not [user for user in users if user in text]


@pytest.mark.slow
def test_a_released_group_is_not_drawn_any_more(judged: tuple[Path, datetime]) -> None:
    warehouse, ends = judged
    opened = connection.open(warehouse)
    with opened.transaction() as writer:
        writer.execute(
            """INSERT INTO quarantine_decisions (subject, user_id, decision, decided_at)
            SELECT DISTINCT 'user', user_id, 'released', CAST(? AS TIMESTAMPTZ) FROM flags WHERE subject = 'user'""",
            [datetime(2026, 2, 1, tzinfo=UTC)],
        )
    found = caught(warehouse, moment=ends, maturity_hours=24)
    assert (found["groups"], found["users_aside"]) == ([], 0)
    assert found["released"] > 0
