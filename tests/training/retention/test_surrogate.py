from functools import lru_cache

import numpy as np
import pytest

from training.retention.entries import COLUMNS, EARLY, entries
from training.retention.hazard import Hazard
from training.retention.returns import UserDays, returns
from training.retention.surrogate import LATE, Foretold, bound, difference, fit_index, foretell, validity


def product(users: int, seed: int, lift: float = 0.0, leak: float = 0.0) -> tuple[UserDays, np.ndarray, np.ndarray]:
    """Users of two arms: how often somebody comes in the first week decides how often later, the arm only through it.

    The treatment raises the first week by `lift`; `leak` is an effect that begins behind it, which no first week shows.
    """
    rng = np.random.default_rng(seed)
    treated = rng.random(users) < 0.5
    habit = rng.normal(-1, 1, users) + lift * treated
    first = rng.random((users, 6)) < 1 / (1 + np.exp(-habit))[:, None]
    late = -3.5 + 0.5 * first.sum(axis=1) + leak * treated
    came = np.column_stack([np.ones(users, bool), first, rng.random((users, 34)) < 1 / (1 + np.exp(-late))[:, None]])
    owner, day = np.nonzero(came)
    rows = len(owner)
    offsets = np.minimum(day[:, None] + np.arange(21)[None, :], 40)
    seen = came[owner[:, None], offsets] & (day[:, None] + np.arange(21)[None, :] <= 40)
    signals = np.zeros((rows, 5))
    signals[:, 0] = rng.random(rows) < 0.3
    days = UserDays(
        user_ids=np.array([f"u{each:05}" for each in owner]),
        users=owner,
        days=20_000 + day,
        arms=np.where(treated[owner], "tone: warm", "tone: control").astype(object),
        past=np.zeros((rows, 7)),
        signals=signals,
        amounts=np.ones((rows, 2)),
        followed=np.minimum(40 - day, 20),
        seen=seen,
    )
    return days, np.zeros(rows), treated


@lru_cache
def index_of(users: int = 4_000) -> Hazard:
    return fit_index(entries(*product(users, 1)[:2]))


def foretold(seed: int, lift: float = 0.0, leak: float = 0.0, users: int = 3_000) -> Foretold:
    days, scores, _ = product(users, seed, lift, leak)
    rows = entries(days, scores)
    return foretell(index_of(), rows, rows.arms == "tone: warm")


def test_an_entry_is_a_users_first_day_with_the_week_behind_it() -> None:
    days, scores, _ = product(50, 3)
    rows = entries(days, scores + np.arange(len(scores)))
    assert len(rows) == 50
    assert (rows.days.days == 20_000).all()
    own = days.users == 0
    week = own & (days.days <= 20_006)
    early = dict(zip(EARLY, rows.early[0].tolist(), strict=True))
    assert early["days seen after the first"] == week.sum() - 1
    assert early["last day seen"] == days.days[week].max() - 20_000
    assert early["score of the last day"] == np.flatnonzero(week)[-1]
    assert early["mean score"] == pytest.approx(np.flatnonzero(week).mean())
    assert early["love, mean over days"] == pytest.approx(days.signals[week, 0].mean())
    assert early["responses of the week"] == pytest.approx(np.log2(1 + week.sum()))
    assert rows.columns.shape == (50, len(COLUMNS))


def test_several_starts_give_the_same_user_several_rows() -> None:
    days, scores, _ = product(200, 3)
    once, twice = entries(days, scores), entries(days, scores, since=(0, 10))
    assert len(once) == 200 < len(twice) <= 400
    assert set((twice.days.days[len(once) :] >= 20_010).tolist()) == {True}


def test_days_out_of_order_are_refused() -> None:
    days, scores, _ = product(20, 3)
    with pytest.raises(ValueError, match="not sorted by user and day"):
        entries(days.take(np.arange(len(days))[::-1]), scores)


def test_the_index_foretells_an_effect_that_the_first_week_carries() -> None:
    found = foretold(2, lift=0.6)
    assert found.by_index.estimate.low > 0
    assert found.direct is not None
    assert found.gap is not None
    assert abs(found.gap.value) < 2.5 * found.gap.error
    assert found.by_index.error < 0.7 * found.direct.error


def test_an_effect_that_begins_later_is_missed_and_the_validity_check_says_so() -> None:
    kept = [foretold(seed, lift=0.5) for seed in (2, 3, 4)]
    lost = [foretold(seed, leak=0.8) for seed in (2, 3, 4)]
    good, bad = validity(kept), validity(lost)
    assert abs(good.mean.mean) < 3 * good.mean.error
    assert bad.mean.mean > 0.05 > good.margin
    assert bad.outside == 3
    assert max(each.gap.value for each in lost if each.gap) < min(each.bound for each in lost)


def test_the_bound_shrinks_when_the_first_week_tells_outcome_or_arm() -> None:
    rng = np.random.default_rng(1)
    treated = rng.random(4_000) < 0.5
    noise = rng.standard_normal((4_000, 2))
    wide = bound(np.full(4_000, 0.5), noise, treated)
    assert wide == pytest.approx(1.0, abs=0.01)
    assert bound(np.full(4_000, 0.02), noise, treated) < 0.3
    telling = np.column_stack([treated + 0.2 * noise[:, 0]])
    assert bound(np.full(4_000, 0.5), telling, treated) < 0.2


def test_too_few_users_are_refused_and_a_young_test_has_no_direct_effect() -> None:
    index = index_of()
    days, scores, _ = product(400, 5)
    days.followed[:] = np.minimum(days.followed, np.maximum(10 - (days.days - 20_000), 0))
    rows = entries(days, scores)
    found = foretell(index, rows, rows.arms == "tone: warm")
    assert found.direct is None
    assert found.gap is None
    with pytest.raises(
        ValueError, match=r"control and treatment have .* and 10 users whose first week is over, need 50"
    ):
        foretell(index, rows, np.arange(len(rows)) < 10)
    with pytest.raises(ValueError, match="of no experiment is the late return known"):
        validity([found])


def test_a_difference_is_that_of_means() -> None:
    found = difference(np.array([1.0, 0.0, 1.0, 1.0]), np.array([True, True, False, False]))
    assert (found.value, round(found.error, 3)) == (-0.5, 0.5)


def test_the_late_return_lies_two_weeks_behind() -> None:
    days, _, _ = product(100, 3)
    assert LATE == 14
    assert returns(days, LATE).complete.tolist() == (days.followed >= 20).tolist()
