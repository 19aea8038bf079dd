from functools import lru_cache

import numpy as np
import pyarrow as pa
import pytest

from experiments.association import Association, Ranking, rank
from experiments.design import Signal, design

SIGNALS = [Signal(name, name, "amount") for name in ("cause", "habit_only", "noise", "rare", "partly")]


def rows(seed: int = 1, users: int = 2_000) -> pa.Table:
    """`cause` makes people stay; `habit_only` goes with a habit that the counts show; `noise` does nothing."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 3)
    habit = rng.poisson(np.exp(rng.standard_normal(users) * 0.8 + 1))[user]
    level = np.log2(1 + habit)
    cause, noise = rng.random(len(user)) < 0.2, rng.random(len(user)) < 0.2
    habit_only = rng.random(len(user)) < 1 / (1 + np.exp(2 - level))
    stays = rng.random(len(user)) < 1 / (1 + np.exp(1 - 0.5 * cause - 0.6 * (level - 2)))
    partly = [float(c) if known else None for c, known in zip(cause, rng.random(len(user)) < 0.5, strict=True)]
    return pa.table(
        {
            "user": user,
            "stays": stays,
            "cause": cause,
            "habit_only": habit_only,
            "noise": noise,
            "rare": np.arange(len(user)) < 12,
            "partly": pa.array(partly, pa.float64()),
            "habit": habit,
            "amount": rng.integers(1, 4, len(user)),
            "arm": np.where(user % 2, "a", "b"),
        }
    )


@lru_cache
def whole() -> Ranking:
    return ranking(rows())


def ranking(table: pa.Table, signals: list[Signal] = SIGNALS) -> Ranking:
    return rank(table, signals, outcome="stays", user="user", counts=["habit"], amount="amount", group="arm")


def found(result: Ranking) -> dict[str, Association]:
    return {one.column: one for one in result.associations}


def test_the_strongest_comes_first_and_the_rare_last() -> None:
    result = whole()
    names = [one.column for one in result.associations]
    assert set(names[:2]) == {"cause", "partly"}
    assert names[-1] == "rare"
    assert (result.rows, result.users) == (6_000, 2_000)
    assert result.controls == ("habit", "amount", "arm b")


def test_the_adjusted_odds_hold_the_truth() -> None:
    cause = found(ranking(rows(seed=2)))["cause"]
    assert cause.adjusted is not None
    assert cause.adjusted.low < np.exp(0.5) < cause.adjusted.high
    assert cause.effect is not None
    assert 0.05 < cause.effect.low < cause.effect.value < cause.effect.high < 0.2


def test_a_signal_of_habit_alone_loses_its_odds_once_habit_is_adjusted_for() -> None:
    one = found(whole())["habit_only"]
    assert one.alone is not None
    assert one.adjusted is not None
    assert one.alone.low > 1.5
    assert one.adjusted.low < 1 < one.adjusted.high


def test_a_rare_signal_is_named_and_not_judged() -> None:
    rare = found(whole())["rare"]
    assert (rare.given, rare.users) == (12, 4)
    assert rare.adjusted is rare.joint is rare.effect is None
    assert "too rare" in rare.note
    assert "at least 10 are needed" in rare.note


def test_only_rows_on_which_a_signal_is_known_count_for_it() -> None:
    table = rows()
    partly = found(ranking(table))["partly"]
    assert partly.rows == len(table) - table["partly"].null_count
    alone = found(ranking(table.filter(table["partly"].is_valid()), [SIGNALS[-1]]))["partly"]
    assert partly.adjusted == pytest.approx(alone.adjusted, rel=1e-9)


def test_what_is_apart_is_apart_and_what_is_not_is_not() -> None:
    result = ranking(rows(), [SIGNALS[0], SIGNALS[2]])
    assert [one.apart for one in result.associations] == [True, None]
    table = rows()
    noise = table["noise"].to_numpy(zero_copy_only=False)
    again = table.append_column("again", pa.array(np.where(np.arange(len(table)) % 9, noise, ~noise)))
    signals = [SIGNALS[2], Signal("again", "again", "amount")]
    assert ranking(again, signals).associations[0].apart is False


def test_collinear_signals_are_noticed_in_the_joint_model() -> None:
    table = rows()
    cause = table["cause"].to_numpy(zero_copy_only=False)
    nearly = pa.array(np.where(np.arange(len(table)) % 50, cause, ~cause))
    result = ranking(table.append_column("nearly", nearly), [SIGNALS[0], Signal("nearly", "nearly", "amount")])
    assert all(one.inflation > 5 and one.note.startswith("collinear") for one in result.associations)


def test_one_standard_deviation_is_a_smaller_step_than_absent_to_present() -> None:
    cause = found(whole())["cause"]
    assert cause.adjusted is not None
    assert cause.per_sd is not None
    assert np.log(cause.per_sd.value) == pytest.approx(np.log(cause.adjusted.value) * 0.4, rel=0.03)


def test_nothing_to_learn_from_is_one_clear_error() -> None:
    table = rows()
    with pytest.raises(ValueError, match="no rows to learn from"):
        ranking(table.slice(0, 0))
    with pytest.raises(ValueError, match="stays holds on 0 of 6000 rows of 2000 users"):
        ranking(table.set_column(1, "stays", pa.array([False] * len(table))))
    with pytest.raises(ValueError, match="no column dance: the rows have user, stays"):
        ranking(table, [Signal("dance", "dance", "amount")])


def test_a_column_that_never_varies_is_left_out() -> None:
    table = rows().set_column(8, "amount", pa.array([2] * 6_000))
    assert design(table, SIGNALS[0], ["habit"], "arm").names == ("cause", "habit", "arm b")
