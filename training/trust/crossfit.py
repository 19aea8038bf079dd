"""A model of which responses are loved, for each fold of users learnt from the users outside it, day after day.

What a user's own feedback says never enters the number that it is held against: the model of fold k learns from the
users outside k alone (cross-fitting; Chernozhukov et al., arXiv 1608.00060). And a day is scored before it is learnt
(prequential; Dawid 1984), so that the number is known before the love.

Each model is a logistic regression under a Gaussian belief with a diagonal precision: a day's maximum a posteriori is
the next day's mean, and the day's curvature is added to the precision (Chapelle and Li, "An empirical evaluation of
Thompson sampling", 2011, algorithm 3). It needs no rate of learning, no second pass and no memory of earlier days;
stochastic gradient descent needs the first and would like the other two. Most responses without a love tell little:
`NEGATIVES` of them are drawn and weigh for the others.

Against those who would teach it to love what they push, no user's loves on one day weigh more than `MOST_LOVES` plus
twice what was to be expected of them, and whoever calls `learn` leaves out whom it does not trust.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, log_expit, logit
from threadpoolctl import threadpool_limits

from training.trust.features import BUCKETS, WIDTH, features

if TYPE_CHECKING:
    import pyarrow as pa

FOLDS: Final = 4
NEGATIVES: Final = 6_000
"""Responses without a love that a day's fit reads for each fold, at most."""
MOST_LOVES: Final = 2.0
MEMORY: Final = 0.97
"""What a day's precision keeps of the day before, so that the models can follow a policy that changes."""
FIRST_RATE: Final = 0.005
_PRECISION, _DENSE_PRECISION, _RATE_PRECISION = 4.0, 4.0, 0.05
_SALT: Final = b"loveloop-folds:"
_FLOOR: Final = 1e-5
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class CrossFit:
    """One model a fold, and each model's calibration.

    Attributes:
        mean: float64[FOLDS, WIDTH], the models' weights; `precision` likewise, one over their variances.
        shift: float64[FOLDS, 2], intercept and slope that make a model's log-odds calibrated.
        days: How many days were learnt.
    """

    def __init__(self) -> None:
        self.mean = np.zeros((FOLDS, WIDTH))
        self.mean[:, BUCKETS] = logit(FIRST_RATE)
        prior = np.full(WIDTH, _PRECISION)
        prior[BUCKETS:] = _DENSE_PRECISION
        prior[BUCKETS] = _RATE_PRECISION
        self.prior = prior
        self.precision = np.tile(prior, (FOLDS, 1))
        self.shift = np.tile([0.0, 1.0], (FOLDS, 1))
        self.shift_precision = np.tile(np.diag([1.0, 30.0]), (FOLDS, 1, 1))
        self.days = 0

    @classmethod
    def load(cls, stored: bytes | None) -> CrossFit:
        """The models as `dump` wrote them; fresh ones for None."""
        model = cls()
        if stored is not None:
            with np.load(io.BytesIO(stored)) as file:
                model.mean[:], model.precision[:] = file["mean"], file["precision"]
                model.shift[:], model.shift_precision[:] = file["shift"], file["shift_precision"]
                model.days = int(file["days"])
        return model

    def dump(self) -> bytes:
        """Everything the models are, as bytes; the same models give the same bytes."""
        out = io.BytesIO()
        mean, precision = self.mean.astype(np.float32), self.precision.astype(np.float32)
        calibration = {"shift": self.shift, "shift_precision": self.shift_precision, "days": np.array(self.days)}
        np.savez_compressed(out, allow_pickle=False, mean=mean, precision=precision, **calibration)
        # Keep the weights rounded as they are stored, so that a reload continues identically.
        self.mean[:], self.precision[:] = mean, precision
        return out.getvalue()

    def score(self, responses: pa.Table, rows: csr_array | None = None) -> Floats:
        """The chance that each response is loved, by the model that never saw its user.

        Args:
            responses: user_id, conversation, response.
            rows: `features(responses)` where they are known already.

        Returns:
            float64[n], each in (0, 1).
        """
        rows = features(responses) if rows is None else rows
        fold = folds(responses["user_id"])
        return np.asarray(self._chances(rows)[fold, np.arange(len(fold))], np.float64)

    def learn(
        self, responses: pa.Table, love: Bools, weight: Floats | None = None, rows: csr_array | None = None
    ) -> None:
        """Learn one day.

        1. Bound what each user can teach.
        2. Fit each fold's calibration to what its model said of the day beforehand.
        3. Fit each fold's model to the day, from where it stood.

        Args:
            responses: As for `score`; one day, of all users.
            love: bool[n], whether each was loved.
            weight: float64[n], how much each row may teach; 1 where left out, 0 for users that are not trusted.
            rows: As for `score`.
        """
        rows = features(responses) if rows is None else rows
        chances = self._chances(rows)
        fold = folds(responses["user_id"])
        allowed = bounded(responses["user_id"], love, chances[fold, np.arange(len(fold))])
        weight = allowed if weight is None else weight * allowed
        with threadpool_limits(1, "blas"):  # on vectors this short a second thread costs ten times what it gives
            for k in range(FOLDS):
                others = (fold != k) & (weight > 0)
                if self.days:
                    self._calibrate(k, chances[k][others], love[others], weight[others])
                self._fit(k, rows, others, love, weight)
        self.days += 1

    def _chances(self, rows: csr_array) -> Floats:
        """What every model says of every row, float64[FOLDS, n]."""
        odds = (rows @ self.mean.T.astype(np.float32)).T.astype(np.float64)
        return np.asarray(np.clip(expit(self.shift[:, :1] + self.shift[:, 1:] * odds), _FLOOR, 1 - _FLOOR), np.float64)

    def _fit(self, k: int, rows: csr_array, others: Bools, love: Bools, weight: Floats) -> None:
        read, weight = sampled(others, love, weight, np.random.default_rng([self.days, k]))
        near, y, w = rows[read].astype(np.float64), love[read], weight[read]
        used = np.unique(near.indices)
        near = near[:, used]
        mean, precision = self.mean[k, used], self.precision[k, used]
        found = _posterior(near, y, w, mean, precision)
        chance = expit(near @ found)
        self.precision[k] = self.prior + MEMORY * (self.precision[k] - self.prior)
        self.precision[k, used] += near.T.power(2) @ (w * chance * (1 - chance))
        self.mean[k, used] = found

    def _calibrate(self, k: int, chance: Floats, love: Bools, weight: Floats) -> None:
        """A step of Newton's towards the intercept and slope that the day asks for."""
        shift = self.shift[k]
        odds = (logit(chance) - shift[0]) / shift[1]
        x = np.column_stack([np.ones_like(odds), odds])
        prior = self.shift_precision[k]
        for _ in range(4):
            p = expit(x @ shift)
            curve = prior + (x * (weight * p * (1 - p))[:, None]).T @ x
            shift = shift + np.linalg.solve(curve, x.T @ (weight * (love - p)) - prior @ (shift - self.shift[k]))
            shift[1] = np.clip(shift[1], 0.2, 1.5)
        self.shift[k] = shift
        self.shift_precision[k] = MEMORY * (curve - np.diag([1.0, 30.0])) + np.diag([1.0, 30.0])


def _posterior(rows: csr_array, love: Bools, weight: Floats, mean: Floats, precision: Floats) -> Floats:
    """The most probable weights after some rows, for the Gaussian belief before them."""
    sign = np.where(love, 1.0, -1.0)
    turned = rows.T.tocsr()

    def loss(at: Floats) -> tuple[float, Floats]:
        margin = sign * (rows @ at)
        away = at - mean
        value = 0.5 * (precision * away**2).sum() - (weight * log_expit(margin)).sum()
        return float(value), precision * away - turned @ (weight * sign * expit(-margin))

    done = minimize(loss, mean, jac=True, method="L-BFGS-B", options={"maxiter": 60, "maxcor": 10})
    return np.asarray(done.x, np.float64)


def folds(users: pa.ChunkedArray) -> NDArray[np.int64]:
    """The fold of each row's user, in [0, FOLDS), by a salted hash."""
    coded = users.combine_chunks().dictionary_encode()
    fold = np.array([crc32(_SALT + user.encode()) % FOLDS for user in coded.dictionary.to_pylist()], np.int64)
    return fold[coded.indices.to_numpy(zero_copy_only=False)] if len(fold) else fold


def bounded(users: pa.ChunkedArray, love: Bools, chance: Floats) -> Floats:
    """How much each row may teach, so that no user's loves weigh too much: float64[n], 1 where there is no love."""
    place = users.combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    loves, expected = np.bincount(place, love), np.bincount(place, chance)
    allowed = np.minimum(1.0, (MOST_LOVES + 2 * expected) / np.maximum(loves, 1))
    return np.where(love, allowed[place], 1.0)


def sampled(others: Bools, love: Bools, weight: Floats, rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats]:
    """Which rows a fit reads: every love of others, and `NEGATIVES` without one that weigh for all such.

    Returns:
        Places, ascending, and float64[n] weights of all rows.
    """
    loved, rest = np.flatnonzero(others & love), np.flatnonzero(others & ~love)
    drawn = np.sort(rng.choice(rest, NEGATIVES, replace=False)) if len(rest) > NEGATIVES else rest
    heavier = weight.copy()
    heavier[drawn] *= len(rest) / max(len(drawn), 1)
    return np.sort(np.concatenate([loved, drawn])), heavier
