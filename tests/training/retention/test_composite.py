from collections.abc import Callable

import numpy as np
import pytest

from training.retention.composite import beside_love, fit_composite
from training.retention.odds import ranked
from training.retention.returns import SIGNALS, UserDays

Drawn = Callable[..., UserDays]


def test_weights_are_what_a_signal_is_worth(drawn: Drawn) -> None:
    found = fit_composite(drawn(6_000), 1, ("love", "liked"))
    assert found.weights == pytest.approx([0.8, 0.0], abs=0.07)
    assert found.value(np.array([[1.0, 0.0], [0.0, 0.0]])).tolist() == pytest.approx([found.weights[0], 0.0])


def test_a_composite_beats_love_alone_where_another_signal_counts_and_only_there(drawn: Drawn) -> None:
    learnt, held = drawn(4_000, seed=1), drawn(4_000, seed=2)
    alone = beside_love(fit_composite(learnt, 1), learnt, held)
    assert alone.gain.low < 0.0005  # love is all that moves anybody
    for each in (learnt, held):
        each.signals[:, [0, 1]] = each.signals[:, [1, 0]]  # now it is the like
    other = beside_love(fit_composite(learnt, 1), learnt, held)
    assert other.gain.low > 0.005
    assert other.composite.value < other.love.value


def test_an_unknown_signal_is_refused(drawn: Drawn) -> None:
    with pytest.raises(ValueError, match=r"'joy' is no signal of a user-day, these are: love, liked"):
        fit_composite(drawn(100), 1, ("joy",))


def test_odds_of_a_return_rank_signals_with_honest_intervals(drawn: Drawn) -> None:
    days = drawn(4_000, cut=0)
    first, *_ = found = ranked(days, days.signals[:, :2], SIGNALS[:2], days.past[:, :1], 1)
    assert [each.name for each in found] == ["love", "liked"]
    assert first.odds.low < np.exp(0.8) < first.odds.high
    assert found[1].odds.low < 1 < found[1].odds.high
    assert first.chance > 10
    together = ranked(days, days.signals[:, :2], SIGNALS[:2], days.past[:, :1], 1, jointly=True)
    assert together[0].odds.value == pytest.approx(first.odds.value, rel=0.05)


def test_intervals_of_odds_cover_what_is_true(drawn: Drawn) -> None:
    covered = 0
    for seed in range(60):
        days = drawn(150, seed=100 + seed, days=4)
        (found,) = ranked(days, days.signals[:, :1], ["love"], days.past[:, :1], 1)
        covered += found.odds.low < np.exp(0.8) < found.odds.high
    assert 52 <= covered <= 60
