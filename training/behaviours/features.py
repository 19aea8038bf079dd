"""The table of features: known behaviours, phrases and clusters of sentences, read from both sides' texts at once."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array, hstack

from training.behaviours.config import BehaviourConfig
from training.behaviours.corpus import CorpusPair
from training.behaviours.known import BEHAVIOURS, known_behaviours
from training.behaviours.phrases import phrases
from training.behaviours.sentence_clusters import Embed, sentence_clusters

Kind = Literal["fault", "style", "phrase", "cluster"]
WEIGHTS: dict[Kind, float] = {"fault": 0.4, "style": 0.1, "phrase": 0.3, "cluster": 0.2}
"""Each kind's part of the weight of all tests, its features' own in equal parts: thousands of phrases do not drown the
few behaviours that have a name. It was fixed before any text was seen."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """What each response holds.

    Attributes:
        names: Of the features: a behaviour's, a phrase, a cluster's most typical sentence.
        kinds: Of each.
        held: float64 [responses, features] of 1 and 0.
        weights: Of each feature's test, float64 [features], summing to their number.
    """

    names: list[str]
    kinds: npt.NDArray[Any]
    held: csr_array
    weights: npt.NDArray[np.float64]

    def carriers(self, feature: int) -> npt.NDArray[np.bool_]:
        """The responses that hold a feature, bool [responses]."""
        return np.asarray(self.held[:, [feature]].toarray().ravel() > 0)


def feature_table(pair: CorpusPair, config: BehaviourConfig, embed: Embed | None = None) -> FeatureTable:
    """Read every feature that could change by as much as matters.

    A feature whose share in both sides together is too small for that is left out. The choice looks at the sides
    together, so under "no change" it says nothing about the difference (independent filtering: Bourgon, Gentleman and
    Huber 2010).

    Args:
        pair: The texts.
        config: What matters, and how many phrases and clusters at most.
        embed: A frozen encoder for the clusters; see `sentence_clusters`.
    """
    responses, least = pair.responses, least_share(pair, config)
    known = csr_array(known_behaviours(pair.conversations, responses).astype(np.float64))
    said, held = phrases(responses, longest=config.longest_phrase, least=least, most=config.phrases)
    groups, grouped = sentence_clusters(responses, most=config.clusters, seed=config.seed, embed=embed)
    frequent = np.asarray(grouped.sum(axis=0)).ravel() / len(responses)
    kept = np.flatnonzero((frequent >= least) & (frequent <= 1 - least))
    names = [*(each.name for each in BEHAVIOURS), *said, *(groups[place] for place in kept)]
    kinds: list[str] = ["fault" if each.fault else "style" for each in BEHAVIOURS]
    told = np.array([*kinds, *["phrase"] * len(said), *["cluster"] * len(kept)], dtype=object)
    every = csr_array(hstack([known, held, grouped[:, kept]], format="csr"))
    return FeatureTable(names, told, every, _weights(told))


def least_share(pair: CorpusPair, config: BehaviourConfig) -> float:
    """The share of all responses below which no side's own can have changed by `config.change`."""
    smaller = min(pair.candidate.mean(), 1 - pair.candidate.mean())
    return float(config.change * smaller)


def _weights(kinds: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    there = {kind: int((kinds == kind).sum()) for kind in WEIGHTS}
    whole = sum(WEIGHTS[kind] for kind, count in there.items() if count)
    return np.array([len(kinds) * WEIGHTS[kind] / whole / there[kind] for kind in kinds], np.float64)
