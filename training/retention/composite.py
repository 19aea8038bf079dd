"""One figure of several signals, with weights learnt from the return: held against Love alone on unseen users.

`value = sum_k b_k signal_k`, where b are the log-odds by which each signal moves the return in a survival model of the
past, what the day gave room for, and all signals together. What a signal shares with another counts once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from stats import clusters
from stats.estimate import Estimate, Floats
from training.retention.accuracy import weights_of
from training.retention.hazard import Hazard, fit_hazard
from training.retention.returns import AMOUNTS, PAST, SIGNALS, UserDays, returns

LOVE = ("love",)


class Composite(NamedTuple):
    """A reward of signals.

    Attributes:
        names: Of the k signals.
        weights: float64[k], log-odds of returning by a signal that is wholly there.
        hazard: The model that they were read from.
    """

    names: tuple[str, ...]
    weights: Floats
    hazard: Hazard

    def value(self, signals: Floats) -> Floats:
        """float64[rows] of signals float64[rows, k]."""
        return np.asarray(signals @ self.weights, np.float64)


class BesideLove(NamedTuple):
    """The composite beside Love alone, on users that neither has seen.

    Attributes:
        composite: Brier score of the return, past and composite known.
        love: The same with Love in its place.
        gain: Love's less the composite's, above 0 where the composite foretells better.
    """

    composite: Estimate
    love: Estimate
    gain: Estimate


def fit_composite(days: UserDays, delay: int, names: Sequence[str] = SIGNALS) -> Composite:
    """Learn the weights of signals.

    Args:
        days: User-days to learn from.
        delay: Of the return.
        names: Of `SIGNALS`.

    Raises:
        ValueError: As `hazard.fit_hazard`.
    """
    columns = np.column_stack([days.past, days.amounts, _signals(days, names)])
    hazard = fit_hazard(days, columns, (*PAST, *AMOUNTS, *names), delay)
    return Composite(tuple(names), hazard.weights[-len(names) :], hazard)


def beside_love(composite: Composite, learnt: UserDays, held: UserDays) -> BesideLove:
    """Hold a composite against Love alone: same model, same rows, other signals.

    Args:
        composite: Fitted on `learnt`.
        learnt: From which the rival is fitted.
        held: Of users that are not in it.
    """
    delay = composite.hazard.delay
    rival = fit_composite(learnt, delay, LOVE)
    found = returns(held, delay)
    weights, labels = weights_of(held, delay, found), found.returned.astype(np.float64)
    losses = []
    for each in (composite, rival):
        columns = np.column_stack([held.past, held.amounts, _signals(held, each.names)])
        losses.append((each.hazard.chance(columns) - labels) ** 2)
    ours, theirs = (clusters.mean(loss, weights, held.user_ids) for loss in losses)
    return BesideLove(ours, theirs, clusters.mean(losses[1] - losses[0], weights, held.user_ids))


def _signals(days: UserDays, names: Sequence[str]) -> Floats:
    unknown = [name for name in names if name not in SIGNALS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no signal of a user-day, these are: {', '.join(SIGNALS)}")
    return days.signals[:, [SIGNALS.index(name) for name in names]]
