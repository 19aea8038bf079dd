"""Workers join and leave a group under load; the tables are those of one reader who was never disturbed."""

import signal
from typing import Any

import pytest

from warehouse import queries

DIE_BEFORE_TELLING = """
import os, signal
from warehouse.log import Log
Log.hint = lambda self, offsets: os.kill(os.getpid(), signal.SIGKILL) if any(offsets.values()) else None
"""


def leave(process: Any) -> int:
    process.send_signal(signal.SIGTERM)
    return int(process.wait(60))


@pytest.mark.slow
def test_of_three_sinks_that_join_leave_and_are_killed_under_load_nothing_is_lost_or_twice(
    sinks: Any, world: list[bytes]
) -> None:
    with sinks.load(world, seconds=8):
        first, second = sinks.start(), sinks.start()
        sinks.wait_for(500)
        third = sinks.start()
        sinks.wait_for(2_000)
        second.kill()
        fourth = sinks.start()
        sinks.wait_for(3_500)
        assert leave(first) == 0
    sinks.wait_for(len(world))
    assert [leave(third), leave(fourth)] == [0, 0]
    sinks.assert_exact(len(world))


@pytest.mark.slow
def test_two_sinks_share_the_partitions_and_sigterm_hands_them_over_at_once(sinks: Any, world: list[bytes]) -> None:
    half = len(world) // 2
    first, second = sinks.start(session_seconds=90), sinks.start(session_seconds=90)
    sinks.send(world[:half])
    sinks.wait_for(half)
    assert leave(first) == 0
    sinks.send(world[half:])
    sinks.wait_for(len(world), seconds=60)  # not until the session of the one that left has run out
    assert leave(second) == 0
    sinks.assert_exact(len(world))


@pytest.mark.slow
def test_the_offsets_that_lag_tools_read_are_the_stored_ones(sinks: Any, world: list[bytes]) -> None:
    from kafka.admin import KafkaAdminClient

    sinks.send(world[:1_000])
    assert sinks.start(before=DIE_BEFORE_TELLING, until_caught_up=True).wait(60) == -signal.SIGKILL
    assert sinks.stored() > 0
    assert sinks.start(until_caught_up=True).wait(60) == 0
    admin = KafkaAdminClient(bootstrap_servers=sinks.bootstrap)
    offsets = admin.list_group_offsets(["loveloop-ingest"])["loveloop-ingest"]
    admin.close()
    told = {key.partition: each.offset for key, each in offsets.items() if key.topic == sinks.names.events}
    stored = {each["partition_id"]: each["next_offset"] for each in queries.counts(sinks.target)["positions"]}
    assert told == stored
