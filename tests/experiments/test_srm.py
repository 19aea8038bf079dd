import numpy as np
import pytest
from scipy.stats import binom

from experiments import srm

HALF = {"control": 0.5, "treatment": 0.5}


def test_a_fair_split_passes_and_a_leak_does_not() -> None:
    assert srm.check({"control": 10_080, "treatment": 9_920}, HALF).passed
    leak = srm.check({"control": 10_000, "treatment": 9_300}, HALF)
    assert not leak.passed
    assert leak.words.startswith("sample-ratio mismatch")


def test_an_arm_that_nobody_reached_counts_as_zero() -> None:
    assert not srm.check({"control": 500}, HALF).passed


def test_no_user_at_all_is_no_evidence() -> None:
    nothing = srm.check({}, HALF)
    assert (nothing.passed, nothing.p, nothing.sequential_p) == (True, 1.0, 1.0)


def test_three_arms_are_read_by_chi_square() -> None:
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    assert srm.check({"a": 5_000, "b": 3_000, "c": 2_000}, shares).p == pytest.approx(1.0)
    assert not srm.check({"a": 5_000, "b": 3_500, "c": 1_500}, shares).passed


def test_an_unknown_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="must be among"):
        srm.check({"control": 1, "treatmnet": 1}, HALF)


def test_the_sequential_evidence_is_a_martingale_from_one() -> None:
    """The expectation of the Bayes factor under the promised shares is 1, summed over every possible count."""
    shares, users = {"a": 0.3, "b": 0.7}, 40
    chances = binom.pmf(np.arange(users + 1), users, 0.3)
    factors = [srm.bayes_factor({"a": k, "b": users - k}, shares) for k in range(users + 1)]
    assert float(chances @ np.array(factors)) == pytest.approx(1.0)


def test_looking_two_hundred_times_rarely_raises_a_false_alarm() -> None:
    rng = np.random.default_rng(1)
    looks = rng.binomial(100, 0.5, size=(400, 200)).cumsum(axis=1)
    ever = 0
    for path in looks:
        lowest = min(
            srm.sequential_p({"control": int(k), "treatment": (look + 1) * 100 - int(k)}, HALF)
            for look, k in enumerate(path)
        )
        ever += lowest < 0.05
    assert ever <= 0.05 * 400


def test_a_single_look_is_wrong_about_as_often_as_its_level_says() -> None:
    rng = np.random.default_rng(2)
    counts = rng.binomial(4_000, 0.5, size=500)
    wrong = np.mean([srm.check({"control": int(k), "treatment": 4_000 - int(k)}, HALF).p < 0.05 for k in counts])
    assert 0.025 < wrong < 0.07


@pytest.mark.parametrize(
    ("counts", "shares", "alpha", "words"),
    [
        ({"control": 10, "treatment": 3}, {"control": 1.0, "treatment": 0.0}, 0.001, "nobody was to get is no arm"),
        ({"control": 10}, {"control": 50, "treatment": 50}, 0.001, "per cent over 100"),
        ({"control": 10}, {"control": 0.5, "treatment": 0.6}, 0.001, "they sum to 1.1"),
        ({"control": -1}, HALF, 0.001, "counts == {'control': -1}, must be whole numbers"),
        ({"control": float("nan")}, HALF, 0.001, "counts == {'control': nan}, must be whole numbers"),
        ({"control": 1}, HALF, 5, "alpha == 5, must be in"),
    ],
)
def test_what_cannot_be_is_refused(counts: dict[str, int], shares: dict[str, float], alpha: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        srm.check(counts, shares, alpha)
