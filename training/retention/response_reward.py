"""What a single response adds to its user's return, beyond what the user's past foretells.

A user-day's log hazard of returning is its past's plus `x w`, where x are views of the day's last response
(`training.reward.views`, without what no response can change). With the past's cumulative hazard H0 over the days at
risk, the proportional-hazards likelihood is that of a Poisson regression of the return on x with offset log H0
(Holford, 1980; Laird and Olivier, 1981), which needs one row a user-day instead of one a person-period.

Two heads are fitted, each to half of the users, and their mean is the reward. A user's own rows are scored by the head
that has not seen them wherever something else is learnt from these scores.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from stats.estimate import Floats
from training.reward.config import RewardConfig, ViewsConfig
from training.reward.data import Examples, Rows
from training.reward.messages import MessageEncoder
from training.reward.recalibration import CalibrationRows, calibrate
from training.reward.split import user_folds
from training.reward.views_reward import Linear, ViewsReward

HALVES: Final = 2
_SALT: Final = 20_190_700
"""Of the halves of users, so that they are not the parts of the split."""
Read = Callable[[Examples], Floats]
"""Gives something of each example, float64[rows, ...]."""
_LEAST: Final = 1e-9
"""A cumulative hazard is never taken for less: its logarithm stays finite."""


class FittedReward(NamedTuple):
    """The reward and its halves.

    Attributes:
        model: Scores a response; its logits are the log-odds of returning within the first week.
        strength: Of the penalty that validation users chose.
        gain: Log-likelihood that the text adds on validation users, in nats a row.
    """

    model: ViewsReward
    strength: float
    gain: float

    def scores(self, rows: Floats, halves: Rows) -> Floats:
        """Log hazards of views (float64[n, columns]), float64[n].

        Args:
            rows: Views as the model's encoder gives them.
            halves: int64[n], the half that the row's user was learnt from with, which is then left out; -1 for a user
                that neither half has seen.
        """
        each = np.stack([head.logits(rows) for head in self.model.heads])
        other = each[1 - np.clip(halves, 0, 1), np.arange(len(rows))]
        return np.asarray(np.where(halves < 0, each.mean(axis=0), other), np.float64)


def halves_of(users: Sequence[str], learnt_from: Sequence[str]) -> Rows:
    """The half of each row's user, int64[n]; -1 for users that were not learnt from."""
    names = np.asarray(users, np.str_)
    return np.where(np.isin(names, np.asarray(learnt_from, np.str_)), _halves(names), -1)


def fit_response_reward(
    train: Examples, validation: Examples, encoder: MessageEncoder, config: ViewsConfig, *, read: Read, past: Read
) -> FittedReward:
    """Fit both heads, choose their penalty and calibrate their mean.

    Args:
        train: One row a user-day whose week is over: the last response, and whether the user returned.
        validation: Of other users; they choose the penalty and calibrate.
        encoder: Reads messages.
        config: The dials of `dials_of`.
        read: Gives the views of examples, float64[rows, columns].
        past: Gives what their past foretells, cumulative hazards float64[rows].
    """
    seen, held = read(train), read(validation)
    offsets, told = (np.log(np.maximum(past(part), _LEAST)) for part in (train, validation))
    half = _halves(train.users)
    parts = [np.flatnonzero(half == each) for each in range(HALVES)]
    tried = [_poisson(seen[parts[0]], train, parts[0], offsets, strength) for strength in config.strengths]
    gains = [_gain(head, held, validation, told) for head in tried]
    best = int(np.argmax(gains))
    strength = config.strengths[best]
    heads = [tried[best], *(_poisson(seen[rows], train, rows, offsets, strength) for rows in parts[1:])]
    raw = np.mean([head.logits(held) for head in heads], axis=0)
    sample = CalibrationRows(raw, validation.labels, validation.weights)
    calibration = calibrate(sample, validation.users, prior_shift=0.0, seed=config.seed)
    gain = float(np.mean([_gain(head, held, validation, told) for head in heads]))
    return FittedReward(ViewsReward(encoder, heads, calibration, config), strength, gain)


def dials_of(config: RewardConfig) -> ViewsConfig:
    """The dials of the views that a reward reads: a linear head, and nothing that no response can change."""
    return config.views.model_copy(update={"head": "logistic", "context": (), "seed": config.seed})


def _halves(users: npt.NDArray[np.str_]) -> Rows:
    return user_folds(users, HALVES, _SALT)


def _poisson(rows: Floats, examples: Examples, places: Rows, offsets: Floats, strength: float) -> Linear:
    """Minimise `sum_i w_i (H_i exp(x_i b) - y_i x_i b) + strength n / 100 |b|^2 / 2` on n rows, columns standardised.

    The constant that is added puts the mean score at the log-odds of the mean label: the scale of the calibration.
    """
    labels, weights, base = examples.labels[places], examples.weights[places], np.exp(offsets[places])
    some = np.any(~np.isnan(rows), axis=0)
    mean = np.nanmean(np.where(some, rows, 0.0), axis=0)
    known = np.where(np.isnan(rows), mean, rows)
    scale = np.where(known.std(axis=0) > 0, known.std(axis=0), 1.0)
    x = np.column_stack([(known - mean) / scale, np.ones(len(known))])
    penalty = np.append(np.full(x.shape[1] - 1, strength * len(x) / 100), 0.0)

    def loss(theta: Floats) -> tuple[float, Floats]:
        inner = np.clip(x @ theta, -20, 20)
        rate = weights * base * np.exp(inner)
        value = float(rate.sum() - (weights * labels) @ inner + 0.5 * (penalty * theta) @ theta)
        return value, x.T @ (rate - weights * labels) + penalty * theta

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    chance = float(np.average(labels, weights=weights))
    return Linear(mean, scale, found[:-1], np.array([np.log(chance / (1 - chance))]))


def _gain(head: Linear, rows: Floats, examples: Examples, offsets: Floats) -> float:
    """Poisson log-likelihood that the head adds to the past alone, nats a row, each at its own best level."""

    def fit(inner: Floats) -> float:
        rate = np.exp(offsets + inner)
        level = np.log(float(weights @ labels) / float(weights @ rate))
        return float(np.average(labels * (offsets + inner + level) - rate * np.exp(level), weights=weights))

    labels, weights = examples.labels, examples.weights
    return fit(head.logits(rows)) - fit(np.zeros(len(labels)))


def by_key(names: Sequence[str], times: Rows, values: Floats) -> Read:
    """Looks values up by a row's user and moment, microseconds since 1970."""
    places = {key: place for place, key in enumerate(zip(names, times.tolist(), strict=True))}

    def found(part: Examples) -> Floats:
        return values[[places[key] for key in zip(part.users.tolist(), part.times.tolist(), strict=True)]]

    return found
