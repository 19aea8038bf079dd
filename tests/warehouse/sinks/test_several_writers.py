"""Two sinks that write to one lake at the same time, while a stream is being sent."""

import os
import signal
import time
from typing import Any

import pytest


@pytest.mark.slow
def test_of_two_sinks_on_a_lake_one_is_killed_and_one_frozen_for_a_while_and_nothing_is_lost_or_twice(
    kafka: str, new_sinks: Any, lakes: Any, world: list[bytes]
) -> None:
    sinks = new_sinks(kafka, lakes.new())
    victim, sleeper = sinks.start(), sinks.start()
    with sinks.load(world, seconds=6.0):
        sinks.wait_for(500)
        victim.kill()
        sinks.wait_for(2_000)
        os.kill(sleeper.pid, signal.SIGSTOP)  # longer than its session: the broker gives its partitions away
        sinks.start()
        time.sleep(2.5)
        os.kill(sleeper.pid, signal.SIGCONT)
    sinks.wait_for(len(world))
    sinks.assert_exact(len(world))
    assert sleeper.poll() is None, sinks.log(1)[-2000:]
