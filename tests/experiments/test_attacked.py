import math
from itertools import combinations, pairwise
from typing import Literal, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.attacked import (
    RECALL,
    UserCounts,
    missed,
    worst_case,
    worst_walk,
)
from experiments.effect import sums
from stats.estimate import Estimate

ONE_EACH = UserCounts(np.array([5, 3, 3, 0, 2, 1]), np.full(6, 10), np.array([1, 1, 1, 1, 0, 0]))


def rate(users: UserCounts, arm: int) -> float:
    of = users.arm == arm
    return float(users.loves[of].sum() / users.exposures[of].sum())


class Look(NamedTuple):
    """A lift, and whether it is shown."""

    lift: float | None
    shown: bool


def read(users: UserCounts) -> Look:
    """One look at the log ratio, clustered by user: shown where it lies above 0."""
    control, treatment = (sums(users.loves[users.arm == arm], users.exposures[users.arm == arm]) for arm in (0, 1))
    if not control.events or not treatment.events:
        return Look(None, shown=False)
    error = math.sqrt(sum(arm.variance / arm.rate**2 for arm in (control, treatment)))
    middle = math.log(treatment.rate / control.rate)
    return Look(math.expm1(middle), shown=middle > 1.96 * error)


def null_world(random: np.random.Generator, users: int = 1_500) -> UserCounts:
    """Heavy users of differing tastes, and a treatment that does nothing."""
    exposures = 1 + random.poisson(random.lognormal(2.0, 1.0, users))
    tastes = 0.05 * random.lognormal(-0.5, 1.0, users)
    loves = random.binomial(exposures, np.minimum(tastes, 0.5))
    return UserCounts(loves, exposures, random.integers(0, 2, users).astype(np.int8))


def attacked(honest: UserCounts, accounts: int) -> UserCounts:
    """Accounts of the treatment that love 12 of the 15 responses that they are shown."""
    return UserCounts(
        np.append(honest.loves, np.full(accounts, 12)),
        np.append(honest.exposures, np.full(accounts, 15)),
        np.append(honest.arm, np.ones(accounts, dtype=np.int8)),
    )


def test_the_most_loving_of_the_treatment_leave() -> None:
    worst = worst_case(ONE_EACH, 2)
    assert (worst.loves.tolist(), worst.arm.tolist()) == ([3, 0, 2, 1], [1, 1, 0, 0])


def test_granted_to_the_control_is_harsher_than_removed() -> None:
    removed, granted = worst_case(ONE_EACH, 2), worst_case(ONE_EACH, 2, how="granted")
    assert rate(removed, 1) == rate(granted, 1)
    assert rate(granted, 0) > rate(removed, 0)
    assert granted.loves is ONE_EACH.loves


def test_the_choice_is_the_worst_of_all_choices() -> None:
    random = np.random.default_rng(0)
    for _ in range(40):
        exposures = random.integers(1, 30, 9)
        users = UserCounts(random.binomial(exposures, 0.4), exposures, np.array([1] * 7 + [0] * 2))
        stay = [
            [at for at in range(9) if at not in gone] for size in (0, 1, 2, 3) for gone in combinations(range(7), size)
        ]
        least = min(rate(UserCounts(*(each[keep] for each in users)), 1) for keep in stay)
        assert rate(worst_case(users, 3), 1) == pytest.approx(least)


def test_nobody_missed_changes_nothing() -> None:
    worst = worst_case(ONE_EACH, 0)
    assert all((new == old).all() for new, old in zip(worst, ONE_EACH, strict=True))


def test_more_attackers_than_users_leave_one_in_the_treatment() -> None:
    assert worst_case(ONE_EACH, 50).arm.tolist() == [1, 0, 0]
    assert worst_case(UserCounts(np.array([1]), np.array([2]), np.array([0])), 3).arm.tolist() == [0]


def test_users_who_saw_nothing_do_not_end_the_search() -> None:
    users = UserCounts(np.zeros(4), np.zeros(4), np.array([1, 1, 0, 0]))
    assert len(worst_case(users, 1).arm) <= 4


@pytest.mark.parametrize("how", ["removed", "granted"])
def test_as_many_attackers_as_are_assumed_ship_nothing(how: Literal["removed", "granted"]) -> None:
    """Truth null, the filter misses all of them: what was filtered ships, all three no more often than at 2.5 %."""
    random = np.random.default_rng(1)
    fooled, shipped = [], []
    for _ in range(400):
        honest = null_world(random)
        seen = attacked(honest, 20)
        filtered, cautious = read(seen), read(worst_case(seen, 20, how=how))
        fooled.append(filtered.shown)
        shipped.append(filtered.shown and cautious.shown)
        worst, alone = cautious.lift, read(honest).lift
        assert worst is not None
        assert alone is not None
        assert worst <= alone + 1e-12
    assert np.mean(fooled) > 0.4
    assert np.mean(shipped) < 0.025 + 2 * math.sqrt(0.025 * 0.975 / 400)


def test_a_true_lift_of_many_users_holds_against_a_few_attackers() -> None:
    random = np.random.default_rng(2)
    base = null_world(random, 12_000)
    more = random.binomial(base.exposures, 0.05) * (base.arm == 1)
    users = base._replace(loves=np.minimum(base.loves + more, base.exposures))
    assert read(users).shown
    assert read(worst_case(users, 5)).shown


def test_a_filter_that_found_nobody_may_have_missed_some() -> None:
    assert missed(0) == 3
    assert missed(0, Estimate(1.0, 1.0, 1.0)) == 0


def test_what_was_missed_is_more_than_the_mean_and_grows() -> None:
    counts = [missed(flagged) for flagged in range(0, 60, 5)]
    assert all(later > earlier for earlier, later in pairwise(counts))
    assert all(count >= 5 * place / RECALL.low - 5 * place for place, count in enumerate(counts))


def test_the_bound_on_missed_attackers_holds_in_nineteen_of_twenty() -> None:
    random = np.random.default_rng(3)
    flagged = random.binomial(30, RECALL.low, 4_000)
    bounds = {int(count): missed(int(count)) for count in np.unique(flagged)}
    held = np.mean([count + bounds[int(count)] >= 30 for count in flagged])
    assert held >= 0.94


def test_the_earliest_lovers_of_the_treatment_count_for_the_control() -> None:
    walk = np.array([1, 0, 1, 1, 0], dtype=np.int8)
    assert worst_walk(walk, 2).tolist() == [0, 0, 0, 1, 0]
    assert worst_walk(walk, 9).tolist() == [0] * 5
    assert walk.tolist() == [1, 0, 1, 1, 0]
    assert worst_walk(np.zeros(0, dtype=np.int8), 2).tolist() == []


def test_at_no_look_does_the_worst_walk_exceed_the_honest_one() -> None:
    random = np.random.default_rng(4)
    for _ in range(200):
        walk = random.integers(0, 2, 60).astype(np.int8)
        treated = np.flatnonzero(walk == 1)
        attackers = random.choice(treated, size=min(4, len(treated)), replace=False)
        honest_before = np.cumsum(~np.isin(np.arange(60), attackers))
        honest = np.cumsum(np.where(np.isin(np.arange(60), attackers), 0, walk)) - 0.5 * honest_before
        worst = np.cumsum(worst_walk(walk, 4)) - 0.5 * np.arange(1, 61)
        assert (worst <= honest).all()


def test_attackers_among_the_first_lovers_ship_nothing() -> None:
    """Miller's rule, ship at an excess of 2.24 sqrt(planned): 5 % two-sided, and attackers add nothing to it."""
    random = np.random.default_rng(5)
    planned, k, deals = 400, 25, 2_000
    line = 2.2414 * math.sqrt(planned) / 2
    honest = random.integers(0, 2, (deals, planned - k)).astype(np.int8)
    every = np.concatenate([np.ones((deals, k), dtype=np.int8), honest], axis=1)

    def crossed(walks: NDArray[np.int8]) -> float:
        return float(((np.cumsum(walks, axis=1) - 0.5 * np.arange(1, planned + 1)).max(axis=1) >= line).mean())

    assert crossed(every) > 0.2
    assert crossed(np.stack([worst_walk(each, k) for each in every])) < 0.03


@pytest.mark.parametrize(
    ("users", "k", "message"),
    [
        (ONE_EACH._replace(loves=np.array([1.0, 2.0])), 1, "one number for each user"),
        (ONE_EACH._replace(loves=np.array([1, 2, 3, 4, 5, -1])), 1, r"loves hold -1 \(user 6\)"),
        (ONE_EACH._replace(exposures=np.array([1, 2, 3, 4, 5, math.nan])), 1, "exposures hold nan"),
        (ONE_EACH._replace(arm=np.array([1, 2, 0, 0, 0, 0])), 1, "neither 0 nor 1"),
        (ONE_EACH, -1, "k == -1, must be a whole number from 0"),
    ],
)
def test_what_cannot_be_is_refused(users: UserCounts, k: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        worst_case(users, k)


def test_another_way_to_make_it_worse_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 'removed' or 'granted'"):
        worst_case(ONE_EACH, 1, how="doubled")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flagged", "recall"), [(-1, RECALL), (1, Estimate(0.5, 0.0, 1.0)), (1, Estimate(0.5, math.nan, 1.0))]
)
def test_a_count_or_a_recall_that_cannot_be_is_refused(flagged: int, recall: Estimate) -> None:
    with pytest.raises(ValueError, match="must be"):
        missed(flagged, recall)


def test_a_walk_of_other_arms_is_refused() -> None:
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        worst_walk(np.array([0, 2], dtype=np.int8), 1)
