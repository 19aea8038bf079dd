import numpy as np
import pytest

from experiments import srm
from experiments.placebo import deal, run

HALF = {"control": 0.5, "treatment": 0.5}
USERS = 2_000
EXPOSURES = 10
RNG = np.random.default_rng(1)
TASTE = np.clip(RNG.gamma(0.2, 0.25, size=USERS), 0, 1)
LOVES = RNG.binomial(EXPOSURES, TASTE)
"""Loves of users whose tastes differ widely: the variance is several times that of independent loves."""


def clustered(arm: np.ndarray) -> bool:
    """A z-test of the mean loves of users, sound for clusters."""
    parts = [LOVES[arm == number] for number in (0, 1)]
    error = np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts))
    return bool(abs(parts[1].mean() - parts[0].mean()) > 1.96 * error)


def independent(arm: np.ndarray) -> bool:
    """A z-test that takes each exposure for a user of its own."""
    rate = LOVES.mean() / EXPOSURES
    parts = [LOVES[arm == number] / EXPOSURES for number in (0, 1)]
    error = np.sqrt(rate * (1 - rate) * sum(1 / (EXPOSURES * len(part)) for part in parts))
    return bool(abs(parts[1].mean() - parts[0].mean()) > 1.96 * error)


def test_a_check_that_is_sound_for_clusters_keeps_its_level() -> None:
    found = run(clustered, users=USERS, shares=HALF, alpha=0.05, deals=1_000)
    assert found.within is True
    assert found.rate == pytest.approx(0.05, abs=0.02)
    assert found.interval.low < 0.05 < found.interval.high
    assert found.words.endswith("in keeping with the promised 5.00%")


def test_a_check_that_takes_loves_for_independent_is_told_so() -> None:
    found = run(independent, users=USERS, shares=HALF, alpha=0.05, deals=400)
    assert found.within is False
    assert found.rate > 0.2
    assert found.alarms == round(found.rate * found.deals)
    assert "more than the promised 5.00%, so do not believe this check" in found.words


def test_arms_vary_in_size_as_they_do_by_hash_so_that_a_sample_ratio_check_is_tried_too() -> None:
    def mismatch(arm: np.ndarray) -> bool:
        treated = int(arm.sum())
        return srm.check({"control": len(arm) - treated, "treatment": treated}, HALF).p < 0.2

    found = run(mismatch, users=500, shares=HALF, alpha=0.2, deals=400)
    assert found.interval.low < 0.2 < found.interval.high + 0.02
    assert found.within is True


def test_few_deals_tell_nothing_unless_they_are_all_alarms() -> None:
    quiet = run(lambda _: False, users=10, shares=HALF, alpha=0.05, deals=10)
    assert (quiet.within, quiet.rate, quiet.alarms) == (None, 0.0, 0)
    assert quiet.words.endswith("too few deals to tell whether the promised 5.00% hold")
    assert run(lambda _: True, users=10, shares=HALF, alpha=0.05, deals=10).within is False


def test_a_check_that_never_alarms_is_safe_and_could_find_more() -> None:
    found = run(lambda _: np.bool_(False), users=10, shares=HALF, alpha=0.05, deals=400)
    assert found.within is True
    assert found.words.endswith("it is safe on these users and could find more")


def test_every_deal_can_be_had_again_and_no_two_are_alike() -> None:
    seen: list[np.ndarray] = []
    run(lambda arm: bool(seen.append(arm.copy())), users=200, shares=HALF, alpha=0.05, deals=3, seed=7)
    assert [(arm == deal(200, HALF, seed=7, number=number)).all() for number, arm in enumerate(seen)] == [True] * 3
    assert (seen[0] != seen[1]).any()
    assert (seen[0] != deal(200, HALF, seed=8, number=0)).any()


def test_the_arms_of_a_deal_have_their_shares() -> None:
    arms = deal(100_000, {"a": 0.2, "b": 0.3, "c": 0.5}, seed=0, number=0)
    assert arms.dtype == np.int8
    assert np.bincount(arms) / 100_000 == pytest.approx([0.2, 0.3, 0.5], abs=0.006)
    assert deal(5, {"all": 1.0}, seed=0, number=0).tolist() == [0] * 5


def test_a_p_value_is_no_alarm() -> None:
    with pytest.raises(ValueError, match=r"the check gave 0.03, must give True"):
        run(lambda _: 0.03, users=10, shares=HALF, alpha=0.05)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"users": 0}, "users == 0, must be 1 or more"),
        ({"deals": 0}, "deals == 0, must be 1 or more"),
        ({"alpha": 5}, r"alpha == 5, must be in \(0, 1\)"),
        ({"alpha": float("nan")}, r"alpha == nan, must be in \(0, 1\)"),
        ({"shares": {"control": 0.5}}, "they sum to 0.5"),
        ({"shares": {str(number): 1 / 128 for number in range(128)}}, "128 arms, must be at most 127"),
    ],
)
def test_a_placebo_that_cannot_be_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        run(**{"check": clustered, "users": USERS, "shares": HALF, "alpha": 0.05} | changes)
