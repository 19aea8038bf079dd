"""A small storm: what the benchmark sends on every broker, into both back ends, without its processes."""

from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.live.guard import Guard
from streams.live.rules import Rules
from warehouse import sink

BENCH = Path(__file__).resolve().parents[2] / "bench"
SEED = 1
"""Its 300 records hold committed and aborted transactions."""


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def storm(bootstrap: str, names: topics.Topics, records: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Send one; returns what landed and how many were rolled back."""
    from storm_parts import gun, lines, shots, tally

    for module in (shots, tally):
        monkeypatch.setattr(module, "TOPICS", names)
    topics.create_topics(bootstrap, topics=names, partitions=shots.PARTITIONS)
    writer, fired = lines.Writer(seed=SEED), gun.Gun(bootstrap)
    fired.fire([*shots.volleys(writer, records), *shots.liars(writer)])
    fired.close()
    return fired


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_stops(
    broker: str, stream: topics.Topics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storm_parts.tally import Tally, count

    fired, target = storm(broker, stream, 300, monkeypatch), tmp_path / "storm.duckdb"
    sink.ingest(target, broker, topics=stream, until_caught_up=True, session_seconds=1.5, progress=False)
    seen = count(target, fired.landed, Tally())
    assert (seen.lost, seen.good_lost, seen.changed, seen.rolled_back_stored) == (0, 0, 0, 0), seen
    assert seen.sent == seen.stored + seen.dead_letters + seen.duplicates + seen.erased
    assert min(seen.stored, seen.dead_letters, seen.duplicates, fired.rolled_back) > 5


def test_a_guard_reads_what_a_storm_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from storm_parts.lines import Writer
    from storm_parts.shots import volleys

    from streams.live.messages import ArmWindow, Flag, Trip
    from streams.topics import TOPICS

    kinds = {TOPICS.flags: Flag, TOPICS.live_metrics: ArmWindow, TOPICS.kill_switch: Trip}
    guard, sent = Guard(Rules()), 0
    for offset, shot in enumerate(shot for volley in volleys(Writer(seed=6), 400) for shot in volley.shots):
        stamp = (shot.stamp if shot.stamp is not None else -1) / 1000
        message = SimpleNamespace(
            partition=shot.partition, offset=offset, timestamp=stamp, timestamp_type=offset % 2, value=shot.value
        )
        if shot.topic == TOPICS.events:
            sent += sum(bool(line.text) for line in shot.lines)
            guard.observe(message)
        elif shot.topic == TOPICS.guard_counts:
            guard.add(message)
        else:
            guard.follow(kinds[shot.topic], shot.value)
    guard.outbox(4)
    guard.snapshots()
    guard.new_trips()
    assert guard.lines == sent
    assert 0 < guard.unreadable < sent
