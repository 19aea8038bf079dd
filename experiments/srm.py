"""Sample-ratio mismatch: did the arms get the users that they were promised?

When they did not, the comparison is void whatever it says: users are missing from one arm for a reason, and the reason
is usually tied to the outcome.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, chisquare

from experiments import dirichlet, several
from stats import limits

ALPHA = 0.001
"""False alarms stop experiments, and real mismatches are gross: the level is stricter than an effect's."""
_PRIOR_USERS = 1000.0
_MOST = 700.0
"""Of a factor's logarithm: beyond it a double is infinite."""


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


class SegmentBalance(NamedTuple):
    """What the users of one segment say.

    Attributes:
        e_value: Evidence against the promised shares; 1 is none.
        mismatch: Among the segments that are found.
    """

    e_value: float
    mismatch: bool


def check(
    counts: Mapping[str, int],
    shares: Mapping[str, float],
    alpha: float = ALPHA,
    *,
    history: dirichlet.History | None = None,
) -> Srm:
    """Compare the users counted per arm with the shares they were assigned by.

    >>> check({"control": 5_021, "treatment": 4_979}, {"control": 0.5, "treatment": 0.5}).passed
    True
    >>> check({"control": 5_300, "treatment": 4_700}, {"control": 0.5, "treatment": 0.5}).passed
    False

    Args:
        counts: *Users* per arm (the unit that was assigned), not exposures; an arm without a user counts 0.
        shares: As given to `streams.assignment.assign`.
        alpha: Chance of a false alarm over the whole life of the experiment.
        history: Users per arm until each look before, [looks, arms], in the order of time and of the shares. With it a
            leak that begins late is found sooner (`dirichlet.evidence`), and a mismatch that was found once stays
            found. Give it always or never: each way is wrong with a chance of alpha, the better of both with more.

    Raises:
        ValueError: An arm that is not in the shares, a count that is none, shares that are no whole, a level outside
            (0, 1), or a history of other arms or one that falls.
    """
    limits.level("alpha", alpha, "0.001 for one false alarm in 1,000 experiments")
    shares, seen = limits.shares(shares), _counted(counts, shares)
    total = sum(seen.values())
    expected = {arm: share * total for arm, share in shares.items()}
    sequential = sequential_p(seen, shares, history)
    passed = sequential >= alpha
    words = _words(seen, expected, sequential, passed)
    if history is not None and not passed:
        first = dirichlet.onset(_looks(history, seen, shares), shares)
        words += f"; it shows most among those who came after the first {first:,}" if first else "; it was always there"
    return Srm(passed, _p(seen, shares, expected), sequential, seen, expected, words)


def by_segment(
    counts: Mapping[str, Mapping[str, int]], shares: Mapping[str, float], alpha: float = ALPHA
) -> dict[str, SegmentBalance]:
    """Which segments (platforms, countries, days of first exposure) did not get the shares they were promised.

    An e-value for each, `dirichlet.log_mean_factor`, and e-BH over them: of the segments that are found, alpha are
    false at most in expectation, at any look, whether or not segments share users.

    >>> half = {"control": 0.5, "treatment": 0.5}
    >>> web, phone = {"control": 50_200, "treatment": 49_800}, {"control": 10_300, "treatment": 9_100}
    >>> [name for name, each in by_segment({"web": web, "phone": phone}, half).items() if each.mismatch]
    ['phone']

    Args:
        counts: Users per arm by segment; what a segment is must be known before anybody was shown anything.
        shares: Of every segment alike.
        alpha: Share of false ones among those found.

    Raises:
        ValueError: As for `check`.
    """
    limits.level("alpha", alpha, "0.001 for one false segment among 1,000 that are found")
    theta = dirichlet.shares_of(shares)
    evidence = {}
    for segment, users in counts.items():
        seen = np.array([*_counted(users, shares).values()], np.int64)
        evidence[segment] = math.exp(min(_MOST, float(dirichlet.log_mean_factor(seen, theta))))
    found = several.e_bh(evidence, alpha)
    return {segment: SegmentBalance(value, found[segment]) for segment, value in evidence.items()}


def _counted(counts: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, int]:
    strangers = sorted({str(arm) for arm in counts if arm not in shares})
    if strangers:
        raise ValueError(f"arms {strangers} were counted, must be among {sorted(shares)}: the right experiment?")
    wrong = {arm: count for arm, count in counts.items() if not (count >= 0 and count == count // 1)}
    if wrong:
        raise ValueError(f"counts == {wrong}, must be whole numbers of users, 0 or more")
    return {arm: int(counts.get(arm, 0)) for arm in shares}


def sequential_p(
    counts: Mapping[str, int], shares: Mapping[str, float], history: dirichlet.History | None = None
) -> float:
    """A p-value that holds at every look: one over the Bayes factor, at most 1.

    The factor is a martingale from 1 while the shares hold, so that P(it ever exceeds 1/alpha) <= alpha (Ville). With a
    history it is one over the largest `dirichlet.evidence` of any look until now.

    >>> sequential_p({"a": 0, "b": 0}, {"a": 0.5, "b": 0.5})
    1.0

    Args:
        counts: Users of every arm.
        shares: As for `check`.
        history: As for `check`.

    Raises:
        ValueError: A history of other arms, or one that falls.
    """
    if history is None:
        return math.exp(min(0.0, -_log_bayes_factor(counts, shares)))
    return math.exp(min(0.0, -float(dirichlet.evidence(_looks(history, counts, shares), shares).max())))


def _log_bayes_factor(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    seen = np.array([counts[arm] for arm in shares], np.int64)
    return float(dirichlet.log_factor(seen, np.array([*shares.values()], np.float64), _PRIOR_USERS))


def _looks(history: dirichlet.History, counts: Mapping[str, int], shares: Mapping[str, float]) -> dirichlet.Ints:
    """The history with the present look as its last row."""
    now = np.array([[counts[arm] for arm in shares]])
    rows = [dirichlet.cumulative(history, len(shares)), now] if len(history) else [now]
    return dirichlet.cumulative(np.vstack(rows), len(shares))


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
