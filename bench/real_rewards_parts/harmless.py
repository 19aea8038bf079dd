"""hh_harmless: which of two answers people preferred, learnt from single answers; five folds of conversations."""

from pathlib import Path
from typing import Any

import numpy as np

from real_rewards_parts import crossing, figures, sets, stored, tuned
from training.reward.cross_validation import user_folds
from training.reward.metrics import Floats
from training.reward.views import COLUMNS, ViewsConfig, views

FOLDS, TOKENS, WIDTH = 5, 64, 384
FIRST = {"bce": 0.652, "bradley_terry": 0.678, "shorter": 0.552}
"""Pair accuracies on record."""


def measured(data: Path, seeds: int, *, quick: bool) -> dict[str, Any]:
    """Pair accuracy of unpaired and paired learning, with paired intervals over conversations."""
    pairs = sets.hh_harmless(data)
    if quick:
        pairs = sets.Pairs(*(column[:200] for column in pairs))
    count = len(pairs.chosen)
    talks = [each for each in pairs.conversations for _ in range(2)]
    said = [text for two in zip(pairs.chosen, pairs.rejected, strict=True) for text in two]
    groups = np.array([each[0]["content"] for each in talks])
    deals = range(1, (1 if quick else seeds) + 1)
    ways = _ways(talks, said, groups, epochs=1 if quick else 2)
    found: dict[str, list[Floats]] = {}
    for name, way in ways.items():
        found[name] = []
        for seed in deals:
            owner = user_folds(groups, FOLDS, seed)

            def make(way: Any = way, owner: Any = owner, seed: int = seed) -> Any:
                scores = np.zeros(len(said))
                for fold in range(FOLDS):
                    outside, inside = np.flatnonzero(owner != fold), np.flatnonzero(owner == fold)
                    scores[inside] = _level(way(outside, inside, seed))
                return scores

            key = [
                stored.code("sets", "views", "trees", "surface", "messages", "tuned", "frozen"),
                name,
                str(seed),
                str(quick),
                *said,
            ]
            found[name].append(stored.array("hh_harmless-scores", key, make).astype(np.float64))
            print(f"hh_harmless: {name}, seed {seed}", flush=True)
    found["ours"] = [_together(each) for each in zip(found["tuned"], found["views"], strict=True)]
    found["shorter"] = [-np.array([float(len(text)) for text in said])]

    def measure(several: list[Floats]) -> figures.Measure:
        return lambda at: float(np.mean([figures.won(one[2 * at], one[2 * at + 1]) for one in several]))

    measures = {name: measure(several) for name, several in found.items()}
    less = [("ours", "shorter"), ("ours", "reference"), ("ours", "bradley_terry")]
    told = figures.told(figures.estimates(measures, groups[::2], less=less))
    keys = {"ours": "ours", "baseline": "shorter", "reference": "reference"}
    return {key: told[name] for key, name in keys.items()} | {"on_record": FIRST, "pairs": count, "accuracy": told}


def _ways(talks: Any, said: list[str], groups: Any, *, epochs: int) -> dict[str, Any]:
    """From rows to learn from, rows to score and a seed to scores; a row is one answer, better and worse in turn."""
    labels = np.tile([1.0, 0.0], len(said) // 2)
    asked = [next((turn["content"] for turn in reversed(each) if turn["role"] == "user"), "") for each in talks]
    short = tuned.ids_of([*zip(asked, said, strict=True)], TOKENS)
    texts = [turn["content"] for each in talks for turn in each] + said
    rows = views(stored.vectors("hh_harmless", texts, max_tokens=128), talks, said, ViewsConfig(head="logistic"))
    binary = tuned.binary(labels, np.ones(len(said)))
    states: Any = {}

    def fitted(loss: Any, batches: Any) -> Any:
        def way(train: Any, test: Any, seed: int) -> Floats:
            return tuned.fitted_scores(short, batches(train), loss, tuned.Plan(epochs=epochs, seed=seed), test, states)

        return way

    def alone(train: Any) -> Any:
        return tuned.whole_groups(np.arange(len(said)), train)

    def linear(train: Any, test: Any, seed: int) -> Floats:
        config = ViewsConfig(head="logistic", seed=seed, strengths=(100.0, 300.0))
        return crossing.scores(rows, labels, groups, train, test, config)

    def frozen(train: Any, test: Any, seed: int) -> Floats:
        config = ViewsConfig(head="logistic", seed=seed, strengths=(100.0, 300.0))
        return crossing.scores(rows[:, len(COLUMNS) :][:, : 2 * WIDTH], labels, groups, train, test, config)

    return {
        "reference": frozen,
        "views": linear,
        "tuned": fitted(binary, alone),
        "bradley_terry": fitted(tuned.bradley_terry, lambda train: tuned.duels(train[0::2], train[1::2])),
    }


def _level(scores: Floats) -> Floats:
    """A fold's scores at spread 1: each fold has a model of its own, and only differences within pairs are read."""
    return scores / (scores.std() or 1.0)


def _together(both: Any) -> Floats:
    """The mean of two models, each at spread 1 of its differences within pairs."""
    return np.asarray(sum(each / (each[0::2] - each[1::2]).std() for each in both), dtype=np.float64)
