"""Workers join and leave a group under load; the tables are those of one reader who was never disturbed."""

import signal
from typing import Any

import pytest

DIE_BEFORE_TELLING = """
import os, signal
from warehouse.ingest.log import Log
Log.commit_offsets = lambda self, offsets: os.kill(os.getpid(), signal.SIGKILL) if any(offsets.values()) else None
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
    sinks.wait_for(lambda: sinks.hints() == sinks.positions())
    assert [leave(third), leave(fourth)] == [0, 0]
    sinks.assert_exact(len(world))


@pytest.mark.slow
def test_two_sinks_share_the_partitions_and_sigterm_hands_them_over_at_once(sinks: Any, world: list[bytes]) -> None:
    half = len(world) // 2
    first, second = sinks.start(session_seconds=90), sinks.start(session_seconds=90)
    sinks.send(world[:half])
    sinks.wait_for(half)
    sinks.wait_for(lambda: sinks.members() == 2)  # who is told to stop while it joins is waited for by the group
    assert leave(first) == 0
    sinks.send(world[half:])
    sinks.wait_for(len(world), seconds=60)  # not until the session of the one that left has run out
    assert leave(second) == 0
    sinks.assert_exact(len(world))


@pytest.mark.slow
def test_the_offsets_that_lag_tools_read_are_the_stored_ones(sinks: Any, world: list[bytes]) -> None:
    sinks.send(world[:1_000])
    assert sinks.start(before=DIE_BEFORE_TELLING, until_caught_up=True).wait(60) == -signal.SIGKILL
    assert sinks.stored() > 0
    assert sinks.start(until_caught_up=True).wait(60) == 0
    assert sinks.hints() == sinks.positions()
