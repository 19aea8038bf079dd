"""Sample-ratio mismatch: did the arms get the users that they were promised?

When they did not, the comparison is void whatever it says: users are missing from one arm for a reason, and the reason
is usually tied to the outcome.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from scipy.special import gammaln
from scipy.stats import binomtest, chisquare

from stats import limits

ALPHA = 0.001
"""False alarms stop experiments, and real mismatches are gross: the level is stricter than an effect's."""
_PRIOR_USERS = 1000.0


class Srm(NamedTuple):
    """What the check saw.

    Attributes:
        passed: No mismatch at level `alpha` by the sequential test.
        p: Of this one look (exact for two arms, chi-square for more).
        sequential_p: Valid at every look, however often one looks; the verdict rests on it.
        counts: Users seen per arm.
        expected: Users promised per arm.
        words: The verdict in a sentence.
    """

    passed: bool
    p: float
    sequential_p: float
    counts: dict[str, int]
    expected: dict[str, float]
    words: str


def check(counts: Mapping[str, int], shares: Mapping[str, float], alpha: float = ALPHA) -> Srm:
    """Compare the users counted per arm with the shares they were assigned by.

    >>> check({"control": 5_021, "treatment": 4_979}, {"control": 0.5, "treatment": 0.5}).passed
    True
    >>> check({"control": 5_300, "treatment": 4_700}, {"control": 0.5, "treatment": 0.5}).passed
    False

    Args:
        counts: *Users* per arm (the unit that was assigned), not exposures; an arm without a user counts 0.
        shares: As given to `assignment.assign`.
        alpha: Chance of a false alarm over the whole life of the experiment.

    Raises:
        ValueError: An arm that is not in the shares, a count that is none, shares that are no whole, or a level outside
            (0, 1).
    """
    limits.level("alpha", alpha, "0.001 for one false alarm in 1,000 experiments")
    shares, seen = limits.shares(shares), _counted(counts, shares)
    total = sum(seen.values())
    expected = {arm: share * total for arm, share in shares.items()}
    sequential = sequential_p(seen, shares)
    passed = sequential >= alpha
    return Srm(
        passed, _p(seen, shares, expected), sequential, seen, expected, _words(seen, expected, sequential, passed)
    )


def _counted(counts: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, int]:
    strangers = sorted({str(arm) for arm in counts if arm not in shares})
    if strangers:
        raise ValueError(f"arms {strangers} were counted, must be among {sorted(shares)}: the right experiment?")
    wrong = {arm: count for arm, count in counts.items() if not (count >= 0 and count == count // 1)}
    if wrong:
        raise ValueError(f"counts == {wrong}, must be whole numbers of users, 0 or more")
    return {arm: int(counts.get(arm, 0)) for arm in shares}


def sequential_p(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """A p-value that holds at every look: one over the Bayes factor, at most 1.

    The factor is a martingale from 1 while the shares hold, so that P(it ever exceeds 1/alpha) <= alpha (Ville).

    >>> sequential_p({"a": 0, "b": 0}, {"a": 0.5, "b": 0.5})
    1.0
    """
    return math.exp(min(0.0, -_log_bayes_factor(counts, shares)))


def bayes_factor(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Evidence against the promised shares theta (Lindon & Malek, arXiv 2011.03567).

    `Gamma(A)/Gamma(A+n) * prod_i Gamma(a_i+n_i)/Gamma(a_i) / prod_i theta_i^n_i`, with `a_i = 1000 theta_i` and
    `A = 1000`: a Dirichlet that expects mismatches of a few per cent.

    >>> bayes_factor({"a": 600, "b": 400}, {"a": 0.5, "b": 0.5}) > 1_000
    True
    """
    return math.exp(min(700.0, _log_bayes_factor(counts, shares)))


def _log_bayes_factor(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    total = float(gammaln(_PRIOR_USERS) - gammaln(_PRIOR_USERS + sum(counts.values())))
    for arm, share in shares.items():
        prior = _PRIOR_USERS * share
        total += float(gammaln(prior + counts[arm]) - gammaln(prior)) - counts[arm] * math.log(share)
    return total


def _p(counts: Mapping[str, int], shares: Mapping[str, float], expected: Mapping[str, float]) -> float:
    total = sum(counts.values())
    if total == 0 or len(shares) == 1:
        return 1.0
    if len(shares) == 2:
        arm = next(iter(shares))
        return float(binomtest(counts[arm], total, shares[arm]).pvalue)
    return float(chisquare([counts[arm] for arm in shares], [expected[arm] for arm in shares]).pvalue)


def _words(counts: Mapping[str, int], expected: Mapping[str, float], sequential: float, passed: bool) -> str:
    seen = ", ".join(f"{arm} {count:,} of {expected[arm]:,.0f} expected" for arm, count in counts.items())
    verdict = "the arms have the users they were promised" if passed else "sample-ratio mismatch: find the leak first"
    return f"{verdict} ({seen}; sequential p = {sequential:.2g})"
