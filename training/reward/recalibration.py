"""Which calibrator follows the prior shift, chosen so that noise cannot make chances worse.

Temperature, Platt and isotonic are fitted on some of the validation users and judged on the others. Doing nothing is
the one to beat: after the exact prior shift a model is often right already, and where loves are rare a fitted offset is
mostly the noise of the few that the validation part holds. A calibrator is used only where its log loss on users that
it did not see is lower beyond chance; a more flexible one has to beat the simpler one likewise.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

from stats.clusters import ratio, units
from stats.estimate import Floats
from stats.metrics import log_loss, sigmoid
from training.reward.calibration import Calibration, Trial
from training.reward.split import uniform

FOLDS = 5
FEWEST = 20
"""Rows of the rarer kind in the validation part; with fewer nothing is fitted."""
BEYOND_CHANCE = 2.128
"""Standard errors by which a calibrator must win: of three that are tried, one wins by chance once in twenty."""
_LEAST_SLOPE = 0.02
"""Of a polyline between knots: flat parts would make ties and cost AUROC."""


class CalibrationRows(NamedTuple):
    """Rows to calibrate on: logits with the prior shift subtracted, targets, weights (trust x sampling)."""

    logits: Floats
    labels: Floats
    weights: Floats

    def take(self, rows: npt.NDArray[np.bool_]) -> "CalibrationRows":
        """These rows."""
        return CalibrationRows(*(column[rows] for column in self))


Fitter = Callable[[CalibrationRows], Calibration]


def calibrate(sample: CalibrationRows, users: npt.NDArray[np.str_], *, prior_shift: float, seed: int) -> Calibration:
    """Choose a calibrator by cross-validation over users, and fit it on all rows.

    1. Users are dealt into `FOLDS` folds by a salted hash; of fewer than `clusters.FEWEST` users each row is its own.
    2. Each calibrator is fitted without a fold and gives its rows their chances.
    3. From `none` over temperature and Platt to isotonic, each takes the place of the one before if its weighted log
       loss is lower by `BEYOND_CHANCE` standard errors of the paired difference over users.

    Args:
        sample: The validation part.
        users: Of each row.
        prior_shift: Subtracted from `sample.logits` already; kept in the result.
        seed: Salt of the folds.

    Returns:
        The calibration with what was tried; with fewer than `FEWEST` rows of a kind, the prior shift alone.
    """
    rarer = min(int((sample.labels > 0).sum()), int((sample.labels == 0).sum()))
    if rarer < FEWEST:
        why = f"validation holds {rarer:,} rows of the rarer kind, fewer than {FEWEST}"
        return Calibration(prior_shift, why=why)
    held = units(users)
    names, owner = np.unique(held, return_inverse=True)
    folds = np.array([int(uniform(str(name), f"{seed}/calibration") * FOLDS) for name in names])[owner]
    logits = {name: _held_out(sample, folds, fit) for name, fit in _FITTERS.items()}
    losses = {name: log_loss(sample.labels, each) for name, each in logits.items()}
    used = "none"
    for name, loss in losses.items():
        gain, error = ratio(losses[used] - loss, sample.weights, held)
        if gain > BEYOND_CHANCE * error:
            used = name
    tried = []
    for name, loss in losses.items():
        gain, error = ratio(losses["none"] - loss, sample.weights, held)
        squared = (sigmoid(logits[name]) - sample.labels) ** 2
        lost, score = (float(np.average(each, weights=sample.weights)) for each in (loss, squared))
        tried.append(Trial(name, lost, score, gain, gain - 1.96 * error, gain + 1.96 * error, name == used))
    return replace(_FITTERS[used](sample), prior_shift=prior_shift, tried=tuple(tried))


def _held_out(sample: CalibrationRows, folds: npt.NDArray[np.int64], fit: Fitter) -> Floats:
    found = np.empty_like(sample.logits)
    for fold in np.unique(folds):
        found[folds == fold] = fit(sample.take(folds != fold)).fitted(sample.logits[folds == fold])
    return found


def fit_temperature(sample: CalibrationRows) -> Calibration:
    """The scale alone that maximises the weighted likelihood (Guo et al., *On calibration*, 2017)."""
    (scale,) = _maximised(sample, sample.logits[:, None], np.array([1.0]))
    return Calibration(scale=scale) if scale > 0 else Calibration()


def fit_platt(sample: CalibrationRows) -> Calibration:
    """Scale and offset that maximise the weighted likelihood of `sigmoid(scale * logit + offset)`.

    A scale that would not be positive (the scores rank no better than a coin) leaves all as it is: calibration never
    turns a ranking round.
    """
    design = np.stack([sample.logits, np.ones_like(sample.logits)], axis=1)
    scale, offset = _maximised(sample, design, np.array([1.0, 0.0]))
    return Calibration(scale=scale, offset=offset) if scale > 0 else Calibration()


_STEPS = 50
"""Of Newton's method, at most."""


def _maximised(sample: CalibrationRows, design: Floats, start: Floats) -> list[float]:
    """Newton's method; a pseudo-observation of each parameter at its start keeps it finite."""
    weight = sample.weights * len(sample.weights) / sample.weights.sum()
    theta = start.copy()
    for _ in range(_STEPS):
        chance = sigmoid(design @ theta)
        gradient = design.T @ (weight * (sample.labels - chance)) - (theta - start)
        curvature = design.T @ (design * (weight * chance * (1 - chance))[:, None]) + np.eye(len(start))
        step = np.linalg.solve(curvature, gradient)
        theta = theta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return [float(each) for each in theta]


def fit_isotonic(sample: CalibrationRows) -> Calibration:
    """A strictly increasing polyline of logits: centred isotonic regression (Oron and Flournoy, 2017).

    1. Rows of one logit are averaged, so ties stay ties and are the only ones.
    2. Weighted isotonic regression pools neighbours that violate the order into blocks.
    3. A block becomes a knot at its mean logit. Its rate is drawn towards the mean predicted chance by one expected
       case of the rarer kind, so that a block in which nothing came true has no chance of 0.
    4. Between knots it is linear with a least slope, so that nothing is flat where isotonic regression is a staircase:
       AUROC stays what it was.
    """
    weight = sample.weights * len(sample.weights) / sample.weights.sum()
    logits, place = np.unique(sample.logits, return_inverse=True)
    rows = np.bincount(place, weight)
    kept = rows > 0
    hits, rows, logits = np.bincount(place, weight * sample.labels)[kept], rows[kept], logits[kept]
    starts = isotonic_regression(hits / rows, weights=rows).blocks[:-1]
    rows_in, hits_in, chance_in, logit_in = (
        np.add.reduceat(each, starts) for each in (rows, hits, rows * sigmoid(logits), rows * logits)
    )
    chance = np.clip(chance_in / rows_in, 1e-6, 1 - 1e-6)
    pull = 1 / np.minimum(chance, 1 - chance)
    rate = (hits_in + pull * chance) / (rows_in + pull)
    before = logit_in / rows_in
    after = np.log(rate / (1 - rate))
    for knot in range(1, len(after)):
        least = after[knot - 1] + _LEAST_SLOPE * (before[knot] - before[knot - 1])
        after[knot] = max(after[knot], least)
    return Calibration(knots=tuple(zip(before.tolist(), after.tolist(), strict=True)))


_FITTERS: Mapping[str, Fitter] = {
    "none": lambda _: Calibration(),
    "temperature": fit_temperature,
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}
"""From the simplest to the most flexible."""
