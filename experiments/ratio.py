"""How many times as often: the ratio of two rare rates, with an interval that few or no events cannot shrink.

A margin in points says nothing about a rare rate: one point of percentage more, on a base of 1 %, is a doubling. So
what must not become more frequent is held against a ratio, and the *interval* of the ratio must lie below it. 0 of n
against 0 of n shows nothing, and its interval is everything.
"""

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from stats import limits
from stats.digits import beside
from stats.intervals import CONFIDENCE, Interval

MOST = 1.25
"""How many times the incumbent's rate of something bad a candidate's may be, by the interval's upper end."""


class Ratio(NamedTuple):
    """A rate over the base's rate.

    Attributes:
        value: 1.1 is a tenth more often; None while the base has no event.
        ci: Its interval; from 0 to infinity where nothing is known.
        events: Of the rate that is asked about, among `trials`.
        trials: Answers, or exposures.
        base_events: Of the base, among `base_trials`.
        base_trials: As `trials`.
    """

    value: float | None
    ci: Interval
    events: int
    trials: int
    base_events: int
    base_trials: int

    @property
    def words(self) -> str:
        """The interval and the counts behind it.

        >>> of_counts(20, 1000, 40, 1000).words
        '0.28 to 0.88 times (20 of 1,000 against 40 of 1,000)'
        >>> of_counts(0, 60, 0, 60).words
        'nothing is shown (0 of 60 against 0 of 60)'
        """
        return shown(self.ci, self.counts)

    @property
    def counts(self) -> str:
        """The counts alone."""
        return f"{self.events:,} of {self.trials:,} against {self.base_events:,} of {self.base_trials:,}"


def shown(ci: Interval, counts: str, limit: float = MOST) -> str:
    """A ratio's interval in words, with as many digits as tell its ends from the limit.

    >>> shown(Interval(0.3, math.inf), "2 of 60 against 0 of 60")
    'at least 0.30 times (2 of 60 against 0 of 60)'
    """
    if ci.low <= 0 and math.isinf(ci.high):
        return f"nothing is shown ({counts})"
    low = beside(ci.low, limit, "{:.2f}")
    span = f"at least {low}" if math.isinf(ci.high) else f"{low} to {beside(ci.high, limit, '{:.2f}')}"
    return f"{span} times ({counts})"


def of_counts(
    events: int,
    trials: int,
    base_events: int,
    base_trials: int,
    *,
    design: float = 1.0,
    confidence: float = CONFIDENCE,
) -> Ratio:
    """The ratio of two rare rates with its exact conditional interval.

    Given all `m` events, those of the first are `Binomial(m, p)`, and the ratio is `p/(1-p) * n_base/n`; `p` has the
    interval of Clopper & Pearson (1934). Rare events of a binomial are nearly Poisson, for which this is exact; else it
    is wider than it need be.

    Args:
        events: Of the rate that is asked about.
        trials: Answers in which they were looked for.
        base_events: Of the base.
        base_trials: As trials.
        design: How many times over the events repeat each other (1: independent); events are divided by it.
        confidence: Of the interval.

    Raises:
        ValueError: Fewer trials than events, a design effect below 1, or a confidence outside (0, 1).
    """
    for few, many in ((events, trials), (base_events, base_trials)):
        if not 0 <= few <= many:
            raise ValueError(f"{few} events in {many} trials, must be between 0 and the trials")
    if not 1 <= design < math.inf:
        raise ValueError(f"design == {design}, must be at least 1: dependent events say less, never more")
    confidence = limits.level("confidence", confidence, "0.95 for a 95 % interval")
    value = events / trials / (base_events / base_trials) if base_events and trials else None
    if not trials or not base_trials:
        return Ratio(value, Interval(0.0, math.inf), events, trials, base_events, base_trials)
    tail, odds = (1 - confidence) / 2, base_trials / trials
    x, y = events / design, base_events / design
    low = float(beta.ppf(tail, x, y + 1)) if events else 0.0
    high = float(beta.ppf(1 - tail, x + 1, y)) if base_events else 1.0
    upper = high / (1 - high) * odds if high < 1 else math.inf
    return Ratio(value, Interval(low / (1 - low) * odds, upper), events, trials, base_events, base_trials)


def paired(
    events: NDArray[np.bool_],
    base_events: NDArray[np.bool_],
    clusters: Sequence[Hashable] | None = None,
) -> Ratio:
    """The ratio over the same prompts, several answers to a prompt counting as what they are together.

    Events of a prompt resemble each other: the variance of the ratio's logarithm over prompts,
    `sum_i (x_i / X - y_i / Y)^2`, over that of independent events, `1/X + 1/Y`, is the design effect (at least 1).

    >>> events, base = (np.isin(np.arange(800), range(first, first + 20)) for first in (0, 400))
    >>> [round(paired(events, base, clusters).ci.high, 1) for clusters in (None, [n // 2 for n in range(800)])]
    [2.0, 2.7]

    Args:
        events: Whether each answer of the candidate is one, shape [answers].
        base_events: The same of the base's, answer by answer.
        clusters: The prompt of each answer; None where every answer has a prompt of its own.

    Raises:
        ValueError: Not as many of one as of the other.
    """
    if len(events) != len(base_events):
        raise ValueError(f"{len(events)} answers and {len(base_events)} of the base, must be to the same prompts")
    x, y = events.astype(float), base_events.astype(float)
    design = 1.0
    if clusters is not None:
        numbers: dict[Hashable, int] = {}
        owner = np.array([numbers.setdefault(each, len(numbers)) for each in clusters], dtype=np.int64)
        design = _design(np.bincount(owner, x), np.bincount(owner, y))
    count = len(events)
    return of_counts(int(x.sum()), count, int(y.sum()), count, design=design)


def _design(x: NDArray[Any], y: NDArray[Any]) -> float:
    """From events by cluster; where one side has none, from the other's alone."""
    sums = [float(each.sum()) for each in (x, y)]
    if not all(sums):
        return max([1.0, *(float(each @ each) / total for each, total in zip((x, y), sums, strict=True) if total)])
    spread = x / sums[0] - y / sums[1]
    return max(1.0, float(spread @ spread) / (1 / sums[0] + 1 / sums[1]))
