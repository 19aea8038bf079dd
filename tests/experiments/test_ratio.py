import math

import numpy as np
import pytest

from experiments.ratio import MOST, of_counts, paired


def test_nothing_against_nothing_shows_nothing() -> None:
    found = of_counts(0, 6_000, 0, 6_000)
    assert found.value is None
    assert found.ci == (0.0, math.inf)


def test_a_base_without_an_event_leaves_the_ratio_open_upwards() -> None:
    found = of_counts(3, 6_000, 0, 6_000)
    assert found.value is None
    assert 0 < found.ci.low < 3
    assert found.ci.high == math.inf


def test_no_event_against_many_is_a_ratio_of_nought_with_an_upper_end() -> None:
    """The upper end is that of 0 of m in the binomial: `(alpha/2)^(-1/m) - 1`."""
    found = of_counts(0, 6_000, 30, 6_000)
    assert found.value == 0
    assert found.ci.low == 0
    assert found.ci.high == pytest.approx(0.025 ** (-1 / 30) - 1)


def test_unequal_numbers_of_answers_are_taken_into_account() -> None:
    assert of_counts(10, 1_000, 40, 4_000).value == pytest.approx(1)
    assert of_counts(10, 1_000, 40, 4_000).ci.low < 1 < of_counts(10, 1_000, 40, 4_000).ci.high


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="7 events in 5 trials, must be between 0 and the trials"):
        of_counts(7, 5, 0, 5)
    with pytest.raises(ValueError, match=r"design == 0\.5, must be at least 1"):
        of_counts(1, 5, 1, 5, design=0.5)
    with pytest.raises(ValueError, match=r"design == nan, must be at least 1"):
        of_counts(1, 5, 1, 5, design=math.nan)
    with pytest.raises(ValueError, match=r"confidence == 95, must be in \(0, 1\)"):
        of_counts(1, 5, 1, 5, confidence=95)
    with pytest.raises(ValueError, match="3 answers and 2 of the base, must be to the same prompts"):
        paired(np.zeros(3, bool), np.zeros(2, bool))


@pytest.mark.parametrize(("rate", "prompts"), [(0.011, 6_000), (0.011, 300), (0.001, 1_500)])
def test_at_the_limit_a_candidate_passes_as_seldom_as_the_level_says(rate: float, prompts: int) -> None:
    """2.5 % of candidates that close exactly 1.25 times as often may pass; the exact interval lets fewer."""
    rng = np.random.default_rng(1)
    worlds = 600
    ours, base = (rng.binomial(prompts, rate * times, worlds).tolist() for times in (MOST, 1.0))
    passed = [of_counts(x, prompts, y, prompts).ci.below(MOST) for x, y in zip(ours, base, strict=True)]
    assert np.mean(passed) < 0.025 + 2 * math.sqrt(0.025 * 0.975 / worlds)


def test_several_answers_to_a_prompt_are_not_as_many_proofs() -> None:
    """Four equal answers to each of 1,500 prompts say what one says: without clusters far too many would pass."""
    rng = np.random.default_rng(2)
    prompt = np.repeat(np.arange(1_500), 4).tolist()
    passed = {"clustered": 0, "not": 0}
    for _ in range(150):
        ours, base = (np.repeat(rng.random(1_500) < 0.04 * times, 4) for times in (MOST, 1.0))
        passed["clustered"] += paired(ours, base, prompt).ci.below(MOST)
        passed["not"] += paired(ours, base).ci.below(MOST)
    assert passed["clustered"] / 150 < 0.06 < passed["not"] / 150
