"""What to believe of a lift after earlier experiments: shown beside a decision, never deciding.

The measured log lift is taken as `N(theta, se^2)` and theta as `N(mu, tau^2)` over experiments, mu and tau from those
that were read before (empirical Bayes). Most changes do little, so a large lift of a small test is believed in part.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.special import ndtr

from experiments.columns import amounts, same_length
from stats import limits
from stats.heterogeneity import spared_weight
from stats.intervals import CONFIDENCE, Interval, normal_quantile

FEWEST_EXPERIMENTS: Final = 3
"""With fewer, how much experiments differ is not known at all."""
WIDE: Final = 0.25
"""Standard deviation of log lifts where nothing is known: two of three lifts lie between -22 % and +28 %."""


class LiftPrior(NamedTuple):
    """What is believed of a log lift before its test.

    Attributes:
        mean: Of log lifts.
        deviation: The standard deviation of the next log lift around it.
        experiments: From how many it was learnt; 0 where it was assumed.
        words: Where it comes from, in a sentence.
    """

    mean: float
    deviation: float
    experiments: int
    words: str


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed of a lift after its test.

    Attributes:
        lift: The mean of the relative lift.
        ci: The credible interval, equal tails.
        chance_to_beat: That the treatment is better than the control.
        expected_loss_if_shipped: The mean of what is lost where it is worse, as a share of the control's rate.
        expected_loss_if_not: The mean of what is forgone where it is better.
        words: All that in a sentence.
    """

    lift: float
    ci: Interval
    chance_to_beat: float
    expected_loss_if_shipped: float
    expected_loss_if_not: float
    words: str


def prior_from(log_lifts: Sequence[float] | Any, errors: Sequence[float] | Any) -> LiftPrior:
    """The prior that earlier experiments give, by the moments of DerSimonian & Laird (1986).

    With `w = 1 / se^2`, `mu_0` the mean weighted by w and `Q = sum w (theta - mu_0)^2` over k experiments,

        tau^2 = max(Q - (k - 1), sqrt(2 (k - 1))) / (sum w - sum w^2 / sum w),

    and mu is the mean weighted by `1 / (se^2 + tau^2)`. The deviation is that of the next experiment,
    `sqrt(tau^2 + var(mu))`. Experiments that differ no more than by chance do not show that all are alike, so that
    tau is taken to be at least one standard error of its square under tau = 0: a prior of no width would outvote any
    test.

    >>> prior_from([0.05, 0.0, 0.12, -0.04], [0.03, 0.02, 0.04, 0.03]).words
    'learnt from 4 earlier experiments: two of three lifts lie between -3.0% and +8.9%'
    >>> prior_from([0.05], [0.03]).words
    'assumed, 1 earlier experiment is too few to learn from: two of three lifts lie between -22.1% and +28.4%'

    Args:
        log_lifts: `log(R_t / R_c)` of each earlier experiment, shape [experiments].
        errors: The standard error of each.

    Raises:
        ValueError: Not one error for each, a log lift that is not finite, or an error that is not positive.
    """
    seen, known = np.asarray(log_lifts, np.float64), amounts("errors", errors)
    same_length(log_lifts=seen, errors=known)
    if not np.isfinite(seen).all():
        raise ValueError(
            f"log_lifts hold {seen[~np.isfinite(seen)][0]}, must be finite: leave out tests without events"
        )
    if not (known > 0).all():
        raise ValueError("errors hold 0, must be above 0: an experiment without error is none")
    count = len(seen)
    if count < FEWEST_EXPERIMENTS:
        few = f"{count} earlier experiment{' is' if count == 1 else 's are'} too few to learn from"
        return LiftPrior(0.0, WIDE, 0, f"assumed, {few}: {_most(0.0, WIDE)}")
    weight = known**-2
    scattered = float(weight @ (seen - np.average(seen, weights=weight)) ** 2) - (count - 1)
    between = max(scattered, math.sqrt(2 * (count - 1))) / spared_weight(weight)
    weight = 1 / (known**2 + between)
    mean, deviation = float(np.average(seen, weights=weight)), math.sqrt(between + 1 / float(weight.sum()))
    return LiftPrior(mean, deviation, count, f"learnt from {count} earlier experiments: {_most(mean, deviation)}")


def posterior(log_lift: float, error: float, prior: LiftPrior, *, confidence: float = CONFIDENCE) -> Posterior:
    """The posterior of a lift, normal on the logarithm.

    `v = 1 / (1 / se^2 + 1 / tau^2)`, `m = v (theta_hat / se^2 + mu / tau^2)`. With `s = sqrt(v)`, the lift is
    `e^(m + v/2) - 1`, the chance to beat `Phi(m / s)`, and

        E max(0, e^theta - 1) = e^(m + v/2) Phi(m / s + s) - Phi(m / s),
        E max(0, 1 - e^theta) = Phi(-m / s) - e^(m + v/2) Phi(-m / s - s).

    >>> posterior(0.3, 0.15, prior_from([], [])).words
    'believed +25.7% (-3.1% to +60.4%); 95.7% likely better; shipping risks 0.22%, not shipping 25.93%'

    Args:
        log_lift: `log(R_t / R_c)`.
        error: Its standard error.
        prior: What was believed before.
        confidence: Of the credible interval.

    Raises:
        ValueError: A log lift that is not finite, an error or a deviation that is not positive, or a confidence
            outside (0, 1).
    """
    limits.positive("error", error, "an arm without an event has none: read that by an exact test")
    limits.positive("prior.deviation", prior.deviation, "as prior_from gives it")
    if not math.isfinite(log_lift):
        raise ValueError(f"log_lift == {log_lift}, must be finite: both arms need an event")
    precision = error**-2 + prior.deviation**-2
    mean = (log_lift * error**-2 + prior.mean * prior.deviation**-2) / precision
    spread = math.sqrt(1 / precision)
    half = normal_quantile(confidence) * spread
    ci = Interval(math.expm1(mean - half), math.expm1(mean + half))
    lift, better = math.expm1(mean + spread**2 / 2), float(ndtr(mean / spread))
    gain = (1 + lift) * float(ndtr(mean / spread + spread)) - better
    loss = float(ndtr(-mean / spread)) - (1 + lift) * float(ndtr(-mean / spread - spread))
    # differences of nearly equal numbers: rounding may take what is nothing below 0
    gain, loss = max(gain, 0.0), max(loss, 0.0)
    risks = f"shipping risks {loss:.2%}, not shipping {gain:.2%}"
    words = f"believed {lift:+.1%} ({ci.low:+.1%} to {ci.high:+.1%}); {better:.1%} likely better; {risks}"
    return Posterior(lift, ci, better, loss, gain, words)


def _most(mean: float, deviation: float) -> str:
    return f"two of three lifts lie between {math.expm1(mean - deviation):+.1%} and {math.expm1(mean + deviation):+.1%}"
