"""hh_harmless: which of two answers people preferred, learnt from single answers; five folds of conversations."""

from pathlib import Path
from typing import Any

import numpy as np

from real_rewards_parts import crossing, figures, sets, stored
from stats.estimate import Floats
from training.reward.config import ViewsConfig
from training.reward.split import user_folds
from training.reward.views import COLUMNS, views

FOLDS, WIDTH = 5, 384
FIRST = {"bce": 0.652, "bradley_terry": 0.678, "shorter": 0.552}
"""Pair accuracies on record."""
CONFIG = ViewsConfig(context=("place",), head="logistic", strengths=(100.0, 300.0))


def measured(data: Path, seeds: int, *, quick: bool) -> dict[str, Any]:
    """Pair accuracy of unpaired and paired learning, with paired intervals over conversations."""
    pairs = sets.hh_harmless(data)
    if quick:
        pairs = sets.Pairs(*(column[:200] for column in pairs))
    talks = [each for each in pairs.conversations for _ in range(2)]
    said = [text for two in zip(pairs.chosen, pairs.rejected, strict=True) for text in two]
    groups = np.array([each[0]["content"] for each in talks])
    ways = _ways(talks, said, groups)
    found: dict[str, list[Floats]] = {name: [] for name in ways}
    for name, way in ways.items():
        for seed in range(1, (1 if quick else seeds) + 1):
            owner = user_folds(groups, FOLDS, seed)

            def make(way: Any = way, owner: Any = owner, seed: int = seed) -> Any:
                scores = np.zeros(len(said))
                for fold in range(FOLDS):
                    outside, inside = np.flatnonzero(owner != fold), np.flatnonzero(owner == fold)
                    scores[inside] = way(outside, inside, seed)
                return scores

            key = [stored.code("sets", "views", "surface", "messages", "crossing", "harmless"), name, str(seed), *said]
            found[name].append(stored.array("hh_harmless-scores", key, make).astype(np.float64))
        print(f"hh_harmless: {name}", flush=True)
    found["shorter"] = [-np.array([float(len(text)) for text in said])]

    def measure(several: list[Floats]) -> figures.Measure:
        return lambda at: float(np.mean([figures.won(one[2 * at], one[2 * at + 1]) for one in several]))

    measures = {name: measure(several) for name, several in found.items()}
    less = [("ours", "shorter"), ("ours", "reference"), ("ours", "bradley_terry")]
    told = figures.told(figures.estimates(measures, groups[::2], less=less))
    keys = {"ours": "ours", "baseline": "shorter", "reference": "reference"}
    return {key: told[name] for key, name in keys.items()} | {
        "on_record": FIRST,
        "pairs": len(said) // 2,
        "accuracy": told,
    }


def _ways(talks: Any, said: list[str], groups: Any) -> dict[str, Any]:
    """From rows to learn from, rows to score and a seed to scores; a row is one answer, better and worse in turn."""
    labels = np.tile([1.0, 0.0], len(said) // 2)
    texts = [turn["content"] for each in talks for turn in each] + said
    rows = np.nan_to_num(views(stored.vectors("hh_harmless", texts, max_tokens=128), talks, said, CONFIG))
    vectors = rows[:, len(COLUMNS) :][:, : 2 * WIDTH]

    def unpaired(some: Floats) -> Any:
        def way(train: Any, test: Any, seed: int) -> Floats:
            config = CONFIG.model_copy(update={"seed": seed})
            return crossing.scores(some, labels, groups, train, test, config=config)

        return way

    def paired(train: Any, test: Any, seed: int) -> Floats:
        """Bradley-Terry: a logistic regression on differences, each taken both ways round."""
        other = np.arange(len(said)) ^ 1
        config = CONFIG.model_copy(update={"seed": seed})
        return crossing.scores(rows, labels, groups, train, test, config=config, less=rows[other])

    return {"ours": unpaired(rows), "reference": unpaired(vectors), "bradley_terry": paired}
