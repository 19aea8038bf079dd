import pytest

from streams.fixtures import Worlds


def test_a_world_is_made_once_and_read_by_all(loveloop_world: Worlds) -> None:
    first, again, other = loveloop_world(seed=3), loveloop_world(seed=3), loveloop_world(seed=4)
    assert first is again
    assert first.lines() != other.lines()
    assert len(first.lines()) == first.amounts.events
    assert first.truth("responses").num_rows == first.amounts.responses == 2_000
    assert first.truth("loves").num_rows == first.amounts.honest_loves


def test_a_misspelt_dial_is_refused(loveloop_world: Worlds) -> None:
    with pytest.raises(ValueError, match="respnses"):
        loveloop_world(respnses=10)
