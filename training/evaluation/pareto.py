"""The Pareto front of policies that answered the same prompts: who is beaten in every objective, and beyond chance."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from stats.bootstrap import RESAMPLES, resampled

CONFIDENCE = 0.95


class ParetoStanding(NamedTuple):
    """Where a policy stands among the others.

    Attributes:
        beaten_by: The policies that dominate it; with none it is on the front.
        front_share: Share of the resamples in which no other policy's means dominate its own.
    """

    beaten_by: tuple[str, ...]
    front_share: float


def front(
    values: Mapping[str, np.ndarray],
    seed: int,
    resamples: int = RESAMPLES,
    *,
    clusters: Sequence[str] | None = None,
) -> dict[str, ParetoStanding]:
    """Say of each policy which others dominate it.

    i dominates j when its means are at least j's in every objective, and in one of them the interval of the paired
    difference lies above 0: `quantile(mean*(x_i - x_j), alpha / 2 objectives) > 0`, over prompts that are drawn again
    with replacement (Bonferroni over objectives, alpha = 5 %). Means decide the order, so no two policies beat each
    other and the front is never empty; the interval keeps on it policies that lag by chance alone.

    Args:
        values: By policy, float [prompts, objectives], more is better; rows are the same prompts for all.
        seed: Which prompts are drawn.
        resamples: How often.
        clusters: Whose each prompt is: whole users are then drawn.

    Raises:
        ValueError: No policy or objective, shapes that differ, or a value that is not a number.

    >>> rare = np.tile([[0.0, 1.0], [1.0, 0.0]], (100, 1))
    >>> found = front({"low": rare * 0.2, "high": rare, "other": 1 - rare}, seed=1)
    >>> {name: standing.beaten_by for name, standing in found.items()}
    {'low': ('high', 'other'), 'high': (), 'other': ()}
    """
    names, tables = [*values], _checked(values)
    means = tables.mean(axis=1)
    draws = np.stack([resampled(table, seed, resamples, clusters=clusters) for table in tables], axis=1)
    beaten = ahead(means) & _beyond_chance(draws)
    unbeaten = 1 - ahead(draws).any(axis=1).mean(axis=0)
    return {
        name: ParetoStanding(
            tuple(names[winner] for winner in np.flatnonzero(beaten[:, place])), float(unbeaten[place])
        )
        for place, name in enumerate(names)
    }


def ahead(means: np.ndarray) -> np.ndarray:
    """Who dominates whom by plain figures: nowhere lower, somewhere higher.

    Args:
        means: [..., policies, objectives].

    Returns:
        Bool [..., policies, policies], true at (i, j) where i dominates j.

    >>> ahead(np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 2.0]])).tolist()
    [[False, True, False], [False, False, False], [False, False, False]]
    """
    ours, theirs = means[..., :, None, :], means[..., None, :, :]
    return np.logical_and((ours >= theirs).all(axis=-1), (ours > theirs).any(axis=-1))


def _beyond_chance(draws: np.ndarray) -> np.ndarray:
    """Bool [policies, policies]: i is shown to be higher than j in some objective; draws [resamples, policies, ...]."""
    tail = (1 - CONFIDENCE) / 2 / draws.shape[2]
    lowest = np.quantile(draws[:, :, None, :] - draws[:, None, :, :], tail, axis=0)
    return np.greater(lowest, 0).any(axis=-1)  # type: ignore[no-any-return]


def _checked(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """All policies as one array, [policies, prompts, objectives]."""
    shapes = {name: np.shape(each) for name, each in values.items()}
    if not shapes or len({*shapes.values()}) > 1 or any(len(each) != 2 or 0 in each for each in shapes.values()):
        raise ValueError(f"shapes by policy are {shapes}, must be one (prompts, objectives) for all, neither of them 0")
    tables = np.stack([np.asarray(each, dtype=np.float64) for each in values.values()])
    if not np.isfinite(tables).all():
        broken = sorted(name for name, table in zip(values, tables, strict=True) if not np.isfinite(table).all())
        raise ValueError(f"values of {', '.join(broken)} are not finite; retrain the reward model that gave them")
    return tables
