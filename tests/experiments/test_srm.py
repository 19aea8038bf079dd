import numpy as np
import pytest
from scipy.stats import binom

from experiments import dirichlet, srm

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
    """The expectation of the factor under the promised shares is 1, summed over every possible count."""
    shares, users = {"a": 0.3, "b": 0.7}, 40
    chances = binom.pmf(np.arange(users + 1), users, 0.3)
    seen = np.stack([np.arange(users + 1), users - np.arange(users + 1)], axis=-1)
    factors = np.exp(dirichlet.log_factor(seen, np.array([*shares.values()]), 1_000))
    assert float(chances @ factors) == pytest.approx(1.0)


def test_looking_two_hundred_times_rarely_raises_a_false_alarm() -> None:
    looks = np.random.default_rng(1).binomial(100, 0.5, size=(400, 200)).cumsum(axis=1)
    users = np.broadcast_to(100 * np.arange(1, 201), looks.shape)
    evidence = dirichlet.log_factor(np.stack([looks, users - looks], axis=-1), np.array([0.5, 0.5]), 1_000)
    assert (evidence.max(axis=1) > np.log(1 / 0.05)).mean() <= 0.05
    seen = {"control": int(looks[0, -1]), "treatment": 20_000 - int(looks[0, -1])}
    assert srm.sequential_p(seen, HALF) == pytest.approx(min(1, np.exp(-evidence[0, -1])))


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


def restarted(path: np.ndarray, share: float = 0.5) -> np.ndarray:
    """The evidence with restarts at each look, where `path` counts the treatment's users of 1,000 more at each look."""
    users = 1_000 * np.arange(1, len(path) + 1)
    return dirichlet.evidence(np.column_stack([path, users - path]), {"treatment": share, "control": 1 - share})


def alarm(evidence: np.ndarray) -> float:
    """The look at which the evidence first exceeds one over the level, infinite for never."""
    above = np.flatnonzero(evidence >= np.log(1 / srm.ALPHA))
    return float(above[0]) if len(above) else np.inf


def test_the_evidence_with_restarts_is_a_martingale_from_one_across_a_restart() -> None:
    """From any look on, the expected evidence one look later is the evidence now, summed over every possible count."""
    shares = {"a": 0.3, "b": 0.7}
    before = [[1_000, 2_500], [2_460, 5_800], [5_000, 11_500]]
    more = 60
    chances = binom.pmf(np.arange(more + 1), more, 0.3)
    after = [[[5_000 + k, 11_500 + more - k]] for k in range(more + 1)]
    later = np.array([np.exp(dirichlet.evidence(before + look, shares)[-1]) for look in after])
    assert float(chances @ later) == pytest.approx(np.exp(dirichlet.evidence(before, shares)[-1]))
    first = np.array([np.exp(dirichlet.evidence([[k, more - k]], shares)[0]) for k in range(more + 1)])
    assert float(chances @ first) == pytest.approx(1)


def test_no_look_changes_the_evidence_of_a_look_before_it() -> None:
    path = np.random.default_rng(3).binomial(1_000, 0.48, size=200).cumsum()
    whole = restarted(path)
    for looks in (1, 8, 9, 50, 199):
        assert restarted(path[:looks]) == pytest.approx(whole[:looks])


@pytest.mark.slow
def test_a_leak_that_begins_late_is_found_sooner_with_restarts() -> None:
    """Of the treatment's users 5 % are lost from user 200,000 on."""
    rng = np.random.default_rng(4)
    share = np.where(np.arange(400) < 200, 0.5, 0.95 / 1.95)
    paths = rng.binomial(1_000, share, size=(60, 400)).cumsum(axis=1)
    users = 1_000 * np.arange(1, 401)
    looks = [np.column_stack([path, users - path]) for path in paths]
    plain = [alarm(dirichlet.log_factor(each, np.array([0.5, 0.5]), 1_000)) for each in looks]
    anew = [alarm(restarted(path)) for path in paths]
    assert min(anew) > 200
    assert np.median(anew) - 200 < 0.85 * (np.median(plain) - 200)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_fair_arms_hardly_ever_raise_an_alarm_in_three_hundred_looks(share: float) -> None:
    """At the level .001 two or more in 400 would be seen once in 16 times by a test that only just holds its level."""
    paths = np.random.default_rng(5).binomial(1_000, share, size=(400, 300)).cumsum(axis=1)
    assert sum(alarm(restarted(path, share)) < np.inf for path in paths) <= 1


def test_a_leak_that_begins_late_is_dated_and_stays_found() -> None:
    fair = [[4_000 * look, 4_000 * look] for look in range(1, 21)]
    leak = srm.check({"control": 92_000, "treatment": 89_500}, HALF, history=fair)
    assert not leak.passed
    assert leak.words.endswith("it shows most among those who came after the first 136,000")
    healed = {"control": 400_000, "treatment": 400_000}
    assert not srm.check(healed, HALF, history=[*fair, [92_000, 89_500]]).passed
    assert srm.check(healed, HALF).passed


def test_a_leak_from_the_first_user_is_told_as_one() -> None:
    history = [[5_000 * look, 4_500 * look] for look in range(1, 11)]
    words = srm.check({"control": 55_000, "treatment": 49_500}, HALF, history=history).words
    assert words.endswith("it was always there")


def test_the_columns_of_a_history_are_in_the_order_of_the_shares() -> None:
    shares = {"treatment": 0.1, "control": 0.9}
    counts = {"control": 18_050, "treatment": 1_950}
    assert srm.check(counts, shares, history=[[1_000, 9_000]]).passed
    assert srm.sequential_p(counts, shares, [[1_000, 9_000]]) == 1.0
    assert not srm.check(counts, shares, history=[[1_900, 1_000]]).passed


def test_a_history_without_a_look_before_is_the_present_look_alone() -> None:
    assert srm.check({"control": 5_000, "treatment": 5_000}, HALF, history=[]).passed
    assert not srm.check({"control": 6_000, "treatment": 4_000}, HALF, history=[]).passed
    assert srm.check({}, HALF, history=[]).sequential_p == 1.0


def test_a_look_that_is_told_twice_counts_once() -> None:
    counts, history = {"control": 9_800, "treatment": 9_300}, [[4_000, 3_900], [9_800, 9_300]]
    once, twice = (srm.check(counts, HALF, history=each).sequential_p for each in (history[:1], history))
    assert once == twice < 1


@pytest.mark.parametrize(
    ("history", "words"),
    [
        ([[1, 2, 3]], r"have shape \[1, 3\], must be \[looks, 2\]"),
        ([1, 2], r"have shape \[2\], must be"),
        ([[5, 5], [4, 6]], r"fall from \[5, 5\] to \[4, 6\], must be cumulative"),
        ([[50, 50]], r"fall from \[50, 50\] to \[10, 10\], must be cumulative"),
        ([[-1, 2]], "no whole number of users"),
        ([[0.5, 2]], "no whole number of users"),
        ([[float("nan"), 2]], "no whole number of users"),
    ],
)
def test_a_history_that_cannot_be_is_refused(history: list[list[int]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        srm.check({"control": 10, "treatment": 10}, HALF, history=history)


def test_the_segment_that_leaks_is_found_and_the_others_are_not() -> None:
    rng = np.random.default_rng(6)
    counts = {}
    for number in range(30):
        treated = int(rng.binomial(20_000, 0.5 if number else 0.46))
        counts[f"segment {number}"] = {"control": 20_000 - treated, "treatment": treated}
    found = srm.by_segment(counts, HALF)
    assert [name for name, each in found.items() if each.mismatch] == ["segment 0"]
    assert found["segment 0"].e_value > 30 / srm.ALPHA
    assert srm.by_segment({}, HALF) == {}


def test_evidence_of_a_segment_is_weighed_by_how_many_were_asked() -> None:
    leak = {"control": 10_300, "treatment": 9_700}
    alone = srm.by_segment({"web": leak}, HALF, alpha=0.05)
    assert alone["web"].mismatch
    assert srm.by_segment({"web": {"control": 900_000}}, HALF)["web"].e_value == pytest.approx(np.exp(700))
    many = {"web": leak, **{str(number): {"control": 1_000, "treatment": 1_000} for number in range(50)}}
    assert not srm.by_segment(many, HALF, alpha=0.05)["web"].mismatch
    assert srm.by_segment({"nobody": {}}, HALF)["nobody"] == (pytest.approx(1.0), False)


def test_a_segment_with_an_unknown_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="must be among"):
        srm.by_segment({"web": {"control": 1, "treatmnet": 1}}, HALF)
