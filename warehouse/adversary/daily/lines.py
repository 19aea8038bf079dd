"""The threshold of evidence: how much honest users gather by chance, drawn from the fitted null model.

Markov's inequality alone puts the line at `1 / budget`. That holds whatever the e-values' distribution is, and is far
off: a mixture over hundreds of alternatives rarely gets anywhere while the null holds. So users of random loves are
drawn from the null (`evidence`: one love as a gift, taste Gamma(a + 1), the days and chances of real users), their
evidence is followed through the window as the job follows it, and the line is the quantile of its highest value: a
share `budget` of honest loves belongs to users who ever reach it. It is never above Markov's.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from warehouse.adversary.daily.evidence import EvidenceSums, Null, weigh

Floats = NDArray[np.float64]
DRAWS: Final = 6_000
_LEAST: Final = 1.5
"""Natural logarithm: no line is lower, however little chance does; the line is drawn anew each day and wavers."""
_MOST_LOVES: Final = 40


class Chances(NamedTuple):
    """Chances of a love as they occur.

    Attributes:
        values: float64[n], each in (0, 1); a love falls on each in proportion to it.
        held: float64[n], what a love on each is held against.
        unlikely: What is held against less than this makes the second part.
    """

    values: Floats
    held: Floats
    unlikely: float

    @property
    def share(self) -> float:
        """Of the chances held against, the share of what is unlikely to be loved."""
        return float(self.held[self.held < self.unlikely].sum() / self.held.sum())


def calibrate(everything: EvidenceSums, chances: Chances, null: Null, budget: float, rng: np.random.Generator) -> float:
    """The line of a day, as the natural logarithm of an e-value.

    Args:
        everything: What real users were shown in the window, of which `exposures` and `expected` are read.
        chances: Of a love, over what was shown.
        null: What honest users are like.
        budget: Share of honest loves that may be lost, in (0, 1).
        rng: Where the draws come from.
    """
    expected = everything.expected.sum(axis=1)
    if not expected.sum() or not len(chances.values):
        return -math.log(budget)
    # Users are drawn by what was expected of them, since the budget is a share of loves and not of users.
    who = rng.choice(len(expected), DRAWS, p=expected / expected.sum())
    shown = EvidenceSums(*(each[who] for each in everything))
    taste = rng.gamma(null.shape + 1, null.mean / null.shape, DRAWS)
    loves = np.minimum(1 + rng.poisson(taste * expected[who]), _MOST_LOVES)
    highest = _highest(shown, loves, chances, null, rng)
    # limited before the quantile is taken: no interpolating between two infinities, of users without any evidence
    return float(np.quantile(np.clip(highest, _LEAST, -math.log(budget)), 1 - budget))


def _highest(
    shown: EvidenceSums, loves: NDArray[np.int64], chances: Chances, null: Null, rng: np.random.Generator
) -> Floats:
    """The most evidence that each drawn user ever has: float64[users], looked at after each day with a love."""
    user = np.repeat(np.arange(len(loves)), loves)
    day = _days(shown.expected, user, rng)
    p = rng.choice(chances.held, len(user), p=chances.values / chances.values.sum())
    grids = []
    # Both parts of the evidence from the same loves, as `sums` makes them: drawn apart they would be too independent.
    for mine in (np.ones(len(p), bool), p < chances.unlikely):
        count, surprise = np.zeros_like(shown.expected), np.zeros_like(shown.expected)
        np.add.at(count, (user[mine], day[mine]), 1.0)
        np.add.at(surprise, (user[mine], day[mine]), -np.log(p[mine]))
        grids.append((count, surprise))
    share = chances.share
    seldom = float((chances.held < chances.unlikely).mean())
    parts = (
        EvidenceSums(shown.exposures, shown.expected, *grids[0]),
        EvidenceSums(shown.exposures * seldom, shown.expected * share, *grids[1]),
    )
    looked, until = np.nonzero(grids[0][0])
    past = np.arange(shown.expected.shape[1]) <= until[:, None]
    several = loves[looked] > 1  # with one love alone nobody gets far
    looked, past = looked[several], past[several]
    found = weigh(tuple(EvidenceSums(*(each[looked] * past for each in part)) for part in parts), null).log_e
    highest = np.full(len(loves), -np.inf)
    np.maximum.at(highest, looked, found)
    return highest


def _days(expected: Floats, user: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """The day of each love, in proportion to what the user was shown on it."""
    passed = np.cumsum(expected, axis=1)[user]
    return np.asarray((passed < (rng.random(len(user)) * passed[:, -1])[:, None]).sum(axis=1), np.int64)
