import re

import pytest

from streams.live.pulse import BrokerPulse


class Clock:
    """Seconds that go on when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pulse(clock: Clock) -> BrokerPulse:
    """Of a guard that is level with a broker that is there."""
    pulse = BrokerPulse(stale_seconds=60, clock=clock)
    pulse.held = True
    pulse.answered({0: 0}, 0)
    return pulse


def test_a_guard_that_does_not_know_its_partitions_is_starting(clock: Clock) -> None:
    pulse = BrokerPulse(clock=clock)
    pulse.answered({}, 0)
    assert (pulse.state(), pulse.age()) == ("starting", None)
    pulse.held = True
    pulse.answered({}, 0)
    assert pulse.state() == "well", "a worker without partitions is not ill: others hold them"


def test_a_lost_broker_is_said_once_then_once_a_minute_then_once_more(pulse: BrokerPulse, clock: Clock) -> None:
    turns = []
    for _ in range(100):
        clock.now += 2
        turns.append(pulse.silent("refused"))
    assert [turn for turn in turns if turn] == ["lost", "away", "away", "away"]
    assert pulse.trouble() == "the broker has not answered for 198 s (refused)"
    assert pulse.age() == 200
    assert (pulse.answered({0: 0}, 0), pulse.answered({0: 0}, 0)) == ("back", None)
    assert (pulse.trouble(), pulse.age()) == (None, 0)


def test_a_guard_that_stands_still_while_messages_wait_is_stale(pulse: BrokerPulse, clock: Clock) -> None:
    for _ in range(31):
        clock.now += 2
        pulse.answered({0: 7, 1: 0}, 0)
    assert pulse.state() == "stale"
    assert re.match("nothing was counted for 62 s although 7 messages wait", pulse.trouble() or "")
    pulse.answered({0: 6, 1: 0}, 0)
    assert pulse.state() == "well", "it moves again"


def test_a_guard_far_behind_that_moves_is_well(pulse: BrokerPulse, clock: Clock) -> None:
    for lines in range(100, 4_000, 100):
        clock.now += 2
        pulse.answered({0: 10_000}, lines)
    assert pulse.state() == "well"
    assert pulse.events_per_second() == pytest.approx(50, rel=0.05)


def test_the_speed_is_that_of_the_last_minute(pulse: BrokerPulse, clock: Clock) -> None:
    clock.now += 600
    pulse.answered({0: 0}, 60_000)
    for _ in range(31):
        clock.now += 2
        pulse.answered({0: 0}, 60_000)
    assert pulse.events_per_second() == 0
