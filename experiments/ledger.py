"""The lift ledger: what was predicted, what was measured, and so how far P[Love] may be trusted next time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.lifts import known_errors
from stats import correlation, heterogeneity
from stats.correlation import Correlation
from stats.intervals import CONFIDENCE, Interval, normal_quantile

TRUSTED_ABOVE = 0.9
"""The published gate: proceed on predictions when r is above it (RLUF, arXiv 2505.14946). Here the lower end of r's
interval has to be: of ledgers of three unrelated rows one in seven has an r above it (arccos(0.9) / pi)."""


class Row(NamedTuple):
    """One experiment. Lifts are relative: 0.1 is +10 %.

    Attributes:
        measured_low: Of the interval that decides, which holds at any look; with `measured_high`.
        failed: The gates that the candidate had failed.
        measured_error: The standard error of the measured lift, of one look; None where it is not known. The deciding
            interval is wider than two of them to each side, and would overstate it.
    """

    candidate: str
    predicted_lift: float
    measured_lift: float | None
    measured_low: float | None
    measured_high: float | None
    experiment: str
    date: date
    failed: tuple[str, ...] = ()
    measured_error: float | None = None


class ShrunkLift(NamedTuple):
    """What is to be believed of one measured lift, once the others are known.

    Attributes:
        experiment: Its name.
        lift: Drawn towards the mean of all, on the log scale, by as much of its variance as is error.
        error: Its standard error.
        ci: Its 95 % interval.
    """

    experiment: str
    lift: float
    error: float
    ci: Interval


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well predictions agreed with experiments; figures that cannot be computed are None.

    Attributes:
        r: Pearson's, with the interval `ci` of Fisher's z.
        passed: P[Love] may gate launches: the lower end of `ci` lies above `TRUSTED_ABOVE`.
        words: The verdict with r in one sentence; or why there is no r.
        rho: Spearman's, with `rho_ci`.
        corrected_r: r as it were without the experiments' own error (`stats.correlation.corrected`).
        slope: Of measured on predicted lift: 1 where lifts come out as large as foretold.
        details: A sentence each on rho, the correction (or why there is none) and the slope; where errors are known,
            on the latent r and on the shrunk lifts.
        latent_r: r with lifts that are measured without error, by likelihood (`heterogeneity.latent_correlation`),
            with `latent_ci`. Unlike `corrected_r` it does not take the share of error as known.
        true_spread: tau, the standard deviation of the true lifts on the log scale.
        shrunk: The measured lifts whose error is known, see `shrunk_lifts`.
    """

    r: float | None
    ci: Interval | None
    experiments: int
    passed: bool
    words: str
    rho: float | None = None
    rho_ci: Interval | None = None
    corrected_r: float | None = None
    corrected_ci: Interval | None = None
    slope: float | None = None
    slope_ci: Interval | None = None
    details: tuple[str, ...] = ()
    latent_r: float | None = None
    latent_ci: Interval | None = None
    true_spread: float | None = None
    shrunk: tuple[ShrunkLift, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The figures by name, for JSON; each shrunk lift by its fields' names.

        >>> agreement([]).as_dict()["experiments"]
        0
        """
        return asdict(self) | {"shrunk": [each._asdict() for each in self.shrunk]}


def row(
    candidate: str,
    *,
    predicted_lift: float,
    measured_lift: float | None,
    measured_ci: tuple[float | None, float | None],
    experiment: str,
    day: date,
    failed: tuple[str, ...] = (),
    one_look: tuple[float | None, float | None] = (None, None),
) -> Row:
    """A row; a limit that is not finite is kept as None.

    >>> figures = {"predicted_lift": 0.4, "measured_lift": 0.3, "measured_ci": (0.2, math.inf)}
    >>> made = row("love-0.1", **figures, experiment="warmer", day=date(2026, 1, 1), one_look=(0.2, 0.41))
    >>> made.measured_low, made.measured_high, round(made.measured_error, 3)
    (0.2, None, 0.053)

    Args:
        candidate: Its name.
        predicted_lift: What P[Love] promised.
        measured_lift: What the experiment says; None where it says nothing.
        measured_ci: The interval that decides.
        experiment: Its name.
        day: Of the reading.
        failed: Gates that the candidate had failed.
        one_look: The 95 % interval of this look alone, from which the standard error is taken.
    """
    low, high = (value if value is not None and math.isfinite(value) else None for value in measured_ci)
    error = standard_error(measured_lift, one_look)
    return Row(candidate, predicted_lift, measured_lift, low, high, experiment, day, failed, error)


def standard_error(lift: float | None, one_look: tuple[float | None, float | None]) -> float | None:
    """The standard error of a relative lift whose interval was made on the log scale, by the delta method.

    `(1 + lift) (log(1 + high) - log(1 + low)) / 2 z`. None where the lift or a limit is open.
    """
    low, high = one_look
    if lift is None or low is None or high is None or not (-1 < low < high < math.inf) or lift <= -1:
        return None
    return (1 + lift) * (math.log1p(high) - math.log1p(low)) / (2 * normal_quantile(CONFIDENCE))


def shrunk_lifts(rows: Sequence[Mapping[str, Any]]) -> tuple[ShrunkLift, ...]:
    """Empirical-Bayes estimates of the measured lifts: what is left when luck is taken off the best and the worst.

    Each log lift is drawn to their mean by its share of error, with the true spread by DerSimonian and Laird
    (`heterogeneity.shrunk`). Errors go to the log scale and back by the delta method, `error / (1 + lift)`.

    >>> names = {"a": (0.5, 0.3), "b": (0.1, 0.05), "c": (0.12, 0.05), "d": (0.2, 0.05)}
    >>> given = [{"experiment": n, "measured_lift": l, "measured_error": e} for n, (l, e) in names.items()]
    >>> [f"{each.experiment} {each.lift:+.2f}" for each in shrunk_lifts(given)]
    ['a +0.16', 'b +0.13', 'c +0.14', 'd +0.17']

    Args:
        rows: Mappings with measured_lift, measured_error and experiment. Rows of tests that were invalid have no lift,
            and are left out; so are those without a known error, and a lift of -100 %, which has no logarithm. Fewer
            than 3 that remain say nothing of a spread: none.
    """
    names, lifts, errors = _known(rows)
    if len(names) < 3:
        return ()
    drawn = heterogeneity.shrunk(np.log1p(lifts), errors / (1 + lifts))
    half = normal_quantile(CONFIDENCE) * drawn.errors
    low, mean, high = np.expm1(np.stack([drawn.values - half, drawn.values, drawn.values + half]))
    found = zip(names, mean, (1 + mean) * drawn.errors, low, high, strict=True)
    return tuple(
        ShrunkLift(name, float(lift), float(error), Interval(float(least), float(most)))
        for name, lift, error, least, most in found
    )


def _known(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Experiment, lift and standard error of each row that was measured with a known error."""
    fields = ("measured_lift", "measured_error")
    every = np.array([[each.get(name) for name in fields] for each in rows], dtype=float).reshape(-1, 2)
    kept = np.isfinite(every).all(axis=1) & (every[:, 0] > -1) & known_errors(every[:, 1])
    names = [str(each.get("experiment", "")) for each, keep in zip(rows, kept, strict=True) if keep]
    lifts, errors = every[kept].T
    return names, lifts, errors


def agreement(rows: Sequence[Mapping[str, Any]]) -> Agreement:
    """Hold predicted against measured lifts.

    >>> agreement([{"predicted_lift": 0.3, "measured_lift": 0.2}]).words
    '1 experiment with both lifts: at least 3 are needed before a correlation says anything'

    Args:
        rows: Mappings with predicted_lift and measured_lift, and measured_error where it is known (`Row._asdict()` or
            the warehouse's ledger); rows that lack a lift, or hold one that is not finite, are left out.
    """
    fields = ("predicted_lift", "measured_lift", "measured_error")
    every = np.array([[each.get(name) for name in fields] for each in rows], dtype=float).reshape(-1, 3)
    predicted, measured, errors = every[np.isfinite(every[:, :2]).all(axis=1)].T
    # nothing is measured without an error: one row that says so must not keep the others from being read
    errors = np.where(known_errors(errors), errors, np.nan)
    count = len(predicted)
    if count < 3:
        plural = "" if count == 1 else "s"
        words = f"{count} experiment{plural} with both lifts: at least 3 are needed before a correlation says anything"
        return Agreement(None, None, count, passed=False, words=words)
    r, rho = correlation.pearson(predicted, measured), correlation.spearman(predicted, measured)
    line = correlation.slope(predicted, measured)
    if r is None or rho is None or line is None:
        words = f"all {count} predicted or measured lifts are the same: no correlation"
        return Agreement(None, None, count, passed=False, words=words)
    passed = r.ci.above(TRUSTED_ABOVE)
    better, why = _without_error(r, measured, errors)
    latent = _latent(predicted, measured, errors)
    shrunk, spread = shrunk_lifts(rows), _true_spread(rows)
    return Agreement(
        r=r.r,
        ci=r.ci,
        experiments=count,
        passed=passed,
        words=_verdict(r, passed=passed),
        rho=rho.r,
        rho_ci=rho.ci,
        corrected_r=better and better.r,
        corrected_ci=better and better.ci,
        slope=line.value,
        slope_ci=line.ci,
        details=(
            f"Spearman's rho = {rho}",
            why,
            f"slope of measured on predicted lift {line}; 1 is a lift as large as foretold",
            *_luck(latent, shrunk, spread),
        ),
        latent_r=latent and latent.r,
        latent_ci=latent and latent.ci,
        true_spread=spread,
        shrunk=shrunk,
    )


def _latent(
    predicted: NDArray[np.float64], measured: NDArray[np.float64], errors: NDArray[np.float64]
) -> Correlation | None:
    """By likelihood; None where an error is not known."""
    known = bool((np.isfinite(errors) & (errors > 0)).all())
    return heterogeneity.latent_correlation(predicted, measured, errors) if known else None


def _true_spread(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """The true spread of the log lifts; None where fewer than 3 errors are known."""
    names, lifts, errors = _known(rows)
    return heterogeneity.pooled(np.log1p(lifts), errors / (1 + lifts)).variance ** 0.5 if len(names) >= 3 else None


def _luck(latent: Correlation | None, shrunk: Sequence[ShrunkLift], spread: float | None) -> list[str]:
    """Sentences on what the measured lifts are without their errors."""
    words = [f"r with lifts that are measured without error (by likelihood) = {latent}"] if latent else []
    if shrunk and spread is not None:
        best = max(shrunk, key=lambda each: each.lift)
        words.append(
            f"the true lifts differ by {spread:.3f} (standard deviation of their logarithm); the largest of "
            f"{len(shrunk)}, {best.experiment}, is {best.lift:+.1%} ({best.ci.low:+.1%} to {best.ci.high:+.1%}) once "
            "luck is taken off"
        )
    return words


def _verdict(r: Correlation, *, passed: bool) -> str:
    may = "may gate launches" if passed else "may not gate launches"
    return f"P[Love] {may}: r = {r} over {r.pairs} experiments, and the lower end has to be above {TRUSTED_ABOVE}"


def _without_error(
    r: Correlation, measured: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[Correlation | None, str]:
    """The correlation corrected for the experiments' own error, and the sentence on it."""
    unknown = int((~np.isfinite(errors)).sum())
    if unknown:
        return None, (
            f"not corrected for measurement error: of {unknown} of {len(errors)} measured lifts it is not known "
            "(`loveloop experiment read NAME` notes it)"
        )
    share = correlation.reliability(measured, errors)
    if share is None:
        return None, (
            "not corrected for measurement error: the measured lifts differ by no more than their own errors explain"
        )
    better = correlation.corrected(r, share)
    return better, f"corrected for measurement error r = {better}; {share:.0%} of the measured variance is no error"
