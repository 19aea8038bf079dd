"""The fast learner is not the only witness: the product's own trainer on two worlds, clean, attacked, and filtered."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from adversary_parts import learning, one_cell
from adversary_parts.cells import Cell
from adversary_parts.worlds import Later, Seed
from stats.metrics import auroc, sigmoid
from streams.synthetic.attacks import probe
from streams.synthetic.shares import Name
from training.reward.bases import minilm
from training.reward.config import RewardConfig
from training.reward.model import RewardModel
from training.reward.train import train_reward_model
from warehouse import connection

CELLS = ("dictated_poison-0.2", "lockstep_farm-0.2")
CONFIG = RewardConfig(positive_rate=0.4, epochs=2, frozen_layers=5, max_tokens=48, evaluation_rows=800)
"""The encoder's uppermost layer, on three negatives to two loves: a minute or two a model on one core."""
UNLOVED = 1_000
"""Responses without a love that the AUROC is taken on, beside all that were loved."""


def confirm(seed: Seed, cells: list[Cell], *, honest_loss: float) -> dict[str, Any]:
    """Train the product's reward model on each world's feedback; shifts and AUROC as of the fast learner.

    Args:
        seed: A prepared seed.
        cells: Worlds with one attack each.
        honest_loss: The filter's dial.

    Returns:
        By cell: clean_chance (mean P[Love] on what the attack wants to lift), shift_open, shift_filtered, cut, and
        auroc_clean, auroc_open, auroc_filtered on honest people of the week after.
    """
    later, work = _fewer(seed.later()), seed.folder / "trainer"
    found = {}
    clean = _trained(seed.honest, seed, learning.OPEN, work / "clean")
    for cell in cells:
        name = cell.attacks[0].name
        place = seed.folder / f"trainer-{cell.name}.duckdb"
        parts = one_cell.prepare(seed, cell, place)
        opened = _trained(place, seed, learning.OPEN, work / f"{cell.name}-open")
        one_cell.judge_days(seed, place, parts, honest_loss)
        filtered = _trained(place, seed, learning.CLEAN, work / f"{cell.name}-filtered")
        said = [_asked(model, seed, name, later) for model in (clean, opened, filtered)]
        chances, ranks = zip(*said, strict=True)
        found[cell.name] = {
            "clean_chance": chances[0],
            "shift_open": chances[1] - chances[0],
            "shift_filtered": chances[2] - chances[0],
            "cut": 1 - abs(chances[2] - chances[0]) / abs(chances[1] - chances[0]),
            **dict(zip(("auroc_clean", "auroc_open", "auroc_filtered"), ranks, strict=True)),
        }
        place.unlink()
    shutil.rmtree(work)
    return found


def _trained(warehouse: Path, seed: Seed, feedback: str, out: Path) -> RewardModel:
    with connection.open(warehouse).read() as reader:
        table = reader.execute(feedback, {"moment": seed.moment}).to_arrow_table()
    table = table.rename_columns({"love": "label", "trust": "weight"})
    label = table["label"].cast(pa.float64())
    table = table.set_column(table.column_names.index("label"), "label", label)
    train_reward_model(table, out, base=minilm(), config=CONFIG, name=out.name, lineage={})
    return RewardModel.load(out)


def _asked(model: RewardModel, seed: Seed, attack: Name, later: Later) -> tuple[float, float]:
    """Mean P[Love] on what the attack wants to lift, and AUROC on honest people."""
    said = probe(attack, seed.config, seed.size.probes, seed.number)
    rank = auroc(later.loved, model.logits(later.conversations, later.responses))
    return float(np.mean(sigmoid(model.logits(*said)))), rank


def _fewer(later: Later) -> Later:
    """All that were loved, and `UNLOVED` of the others."""
    random = np.random.default_rng(1)
    unloved = random.choice(np.flatnonzero(later.loved == 0), UNLOVED, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(later.loved), unloved]))
    told, said = [later.conversations[place] for place in kept], [later.responses[place] for place in kept]
    return Later(told, said, later.loved[kept], later.chance[kept])
