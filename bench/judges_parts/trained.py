"""A judge of needless refusals that the reward trainer learnt from labelled answers: no pattern."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from judges_parts.labelled import Labelled
from training.judges.classifier import ClassifierJudge, classifier
from training.reward.bases import minilm
from training.reward.config import RewardConfig, ViewsConfig
from training.reward.report import RewardReport
from training.reward.train import train_reward_model

WRONG = 0.05
"""Chance that an annotator ticks the wrong box."""


def false_refusal(pairs: Labelled, place: Path, *, base: str | Path, seed: int = 1) -> RewardReport:
    """Train the model of a judge: its label is true where nothing was refused without need.

    Args:
        pairs: Labelled answers; annotators err on some.
        place: Where the model goes.
        base: A frozen encoder.
        seed: Of errors and training.
    """
    chance = np.random.default_rng(seed)
    label = ~pairs.violates ^ (chance.random(len(pairs.violates)) < WRONG)
    rows = len(label)
    table = pa.table(
        {
            "conversation": [json.dumps(each) for each in pairs.conversations],
            "response": pairs.responses,
            "label": pa.array(label),
            "weight": np.ones(rows),
            "user_id": [f"annotator-{row % 40}" for row in range(rows)],
            "served_at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * rows, pa.timestamp("us", tz="UTC")),
        }
    )
    config = RewardConfig(model="views", views=ViewsConfig(head="logistic"), positive_rate=0.5, seed=seed)
    lineage = {"labels": f"{rows:,} answers, {WRONG:.0%} of them labelled wrongly"}
    return train_reward_model(
        table, place, base=base, config=config, name="false_refusal", lineage=lineage, by="conversations"
    )


def judge(pairs: Labelled, base: str | Path | None = None) -> ClassifierJudge:
    """A judge that was trained on these pairs; it lies in a folder that stays until the program ends."""
    place = Path(tempfile.mkdtemp(prefix="loveloop-judge-")) / "false_refusal"
    false_refusal(pairs, place, base=base or minilm())
    return classifier(model=place)
