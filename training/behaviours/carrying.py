"""What a score pays for a behaviour: the score's change where the candidate shows it, beside its change elsewhere."""

import numpy as np
import numpy.typing as npt

from stats.clusters import error
from stats.estimate import Estimate, Floats
from stats.intervals import normal_quantile
from training.behaviours.corpus import CorpusPair

FEWEST = 20
"""Prompts with the behaviour below which nothing is said."""


def score_change(pair: CorpusPair, scores: Floats, *, confidence: float = 0.95) -> Estimate | None:
    """The change of a score's mean from baseline to candidate, clustered; None where either side has no scores."""
    known = ~np.isnan(scores)
    if not (known & pair.candidate).any() or not (known & ~pair.candidate).any():
        return None
    some = pair.part(known)
    values, side = scores[known], some.candidate
    before, after = float(some.shares[~side] @ values[~side]), float(some.shares[side] @ values[side])
    residual = values - np.where(side, after, before)
    spread = error(np.where(side, 1.0, -1.0) * some.shares * residual, some.clusters)
    return _estimate(after - before, spread, confidence)


def paid_for(
    pair: CorpusPair, scores: Floats, carriers: npt.NDArray[np.bool_], *, confidence: float = 0.95
) -> Estimate | None:
    """What a score gives for a behaviour: a difference of differences, in the score's unit.

    `mean(s_b - s_a | the candidate shows it and the baseline does not) - mean(s_b - s_a | neither shows it)`, over rows
    of the candidate to which the baseline answered the same prompt. What the prompt is worth, and what the candidate
    gains everywhere, cancel out.

    Args:
        pair: The texts.
        scores: float64 [rows], NaN where not scored.
        carriers: bool [rows], which responses show it.
        confidence: Of the interval.

    Returns:
        None with fewer than 20 such prompts on either hand, as in a test whose arms answer different prompts.
    """
    known = ~np.isnan(scores)
    keys = _prompts(pair)
    base, ours = known & ~pair.candidate, known & pair.candidate
    counts = np.bincount(keys[base], minlength=keys.max() + 1)
    mean = np.bincount(keys[base], scores[base], counts.size) / np.maximum(counts, 1)
    shown = np.bincount(keys[base], carriers[base], counts.size) > 0
    rows = np.flatnonzero(ours & (counts[keys] > 0) & ~shown[keys])
    moved = scores[rows] - mean[keys[rows]]
    hand = carriers[rows]
    if min(hand.sum(), (~hand).sum()) < FEWEST:
        return None
    means = moved[hand].mean(), moved[~hand].mean()
    influence = np.where(hand, (moved - means[0]) / hand.sum(), -(moved - means[1]) / (~hand).sum())
    return _estimate(float(means[0] - means[1]), error(influence, pair.clusters[rows]), confidence)


def _prompts(pair: CorpusPair) -> npt.NDArray[np.int64]:
    """The number of each row's prompt, also where clusters are users."""
    places: dict[str, int] = {}
    return np.array([places.setdefault(repr([*each]), len(places)) for each in pair.conversations], np.int64)


def _estimate(value: float, spread: float, confidence: float) -> Estimate:
    reach = normal_quantile(confidence) * spread
    return Estimate(value, value - reach, value + reach)
