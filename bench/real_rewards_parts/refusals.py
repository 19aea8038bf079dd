"""xstest: whether an answer refuses, on the answers of a model that was not learnt from."""

from pathlib import Path
from typing import Any

import numpy as np

from real_rewards_parts import crossing, figures, sets, stored
from stats.estimate import Floats
from stats.metrics import auroc
from training.judges import judge_all
from training.judges.library import build
from training.reward.config import ViewsConfig
from training.reward.views import COLUMNS, views

TOKENS = 64
FIRST = {"lowest": 0.92, "highest": 0.99}
"""AUROC of three models on record, frozen encoder."""


def measured(data: Path, seeds: int, *, quick: bool) -> dict[str, Any]:
    """AUROC on each model's answers by a head of the two others', and their mean; intervals over prompts.

    Nothing is drawn but the groups that choose the penalty: seeds deal these.
    """
    every = sets.xstest(data)
    asked = np.array([each[0]["content"] for each in every.conversations])
    encoder = stored.vectors("xstest", [*asked, *every.responses], max_tokens=TOKENS)
    rows = views(encoder, every.conversations, every.responses, ViewsConfig(head="logistic", context=()))
    vectors = rows[:, len(COLUMNS) : len(COLUMNS) + 384]
    counted = np.flatnonzero([name.startswith("response: ") for name in COLUMNS])
    alone = np.column_stack([rows[:, counted], vectors])  # a refusal is to be seen in the answer alone
    models = np.unique(every.group)
    ways = {"ours": alone, "all_views": rows, "reference": vectors}
    scores: dict[str, list[Floats]] = {name: [] for name in ways}
    for seed in range(1, (1 if quick else seeds) + 1):
        for name, some in ways.items():
            found = np.zeros(len(asked))
            for model in models:
                train, test = np.flatnonzero(every.group != model), np.flatnonzero(every.group == model)
                config = ViewsConfig(head="logistic", context=(), seed=seed, strengths=(1.0, 10.0, 100.0))
                found[test] = crossing.scores(some, every.labels, asked, train, test, config=config)
            scores[name].append(found)
    scores["shorter"] = [-np.array([float(len(each)) for each in every.responses])]
    verdicts = judge_all(build("refusal", {"borderline": True}), every.conversations, every.responses)
    scores["judge"] = [np.array([float(each.violates) for each in verdicts])]

    def measure(several: list[Floats], some: Any) -> figures.Measure:
        def figure(at: Any) -> float:
            parts = [at[every.group[at] == model] for model in some]
            return float(np.mean([auroc(every.labels[part], one[part]) for one in several for part in parts]))

        return figure

    measures = {name: measure(several, models) for name, several in scores.items()}
    measures |= {f"ours, {model}": measure(scores["ours"], [model]) for model in models}
    measures |= {f"reference, {model}": measure(scores["reference"], [model]) for model in models}
    told = figures.told(figures.estimates(measures, asked, less=[("ours", "reference"), ("ours", "shorter")]))
    keys = {"ours": "ours", "baseline": "shorter", "reference": "reference"}
    return {key: told[name] for key, name in keys.items()} | {"on_record": FIRST, "rows": len(asked), "auroc": told}
