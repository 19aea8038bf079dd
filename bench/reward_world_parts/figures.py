"""P[Love]'s scores held against the true chance of a love, and figures of several seeds with their intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rluf_parts.table import student

from reward_world_parts.rows import Held
from stats.metrics import auroc, rank_correlation, sigmoid
from training.reward.audit import counterfactuals
from training.reward.model import RewardModel

BINS = 20
AUDITED = 400
KEYS = ("auroc", "oracle_ratio", "ece_over_base", "length_rho_excess")


def of(model: RewardModel, held: Held) -> dict[str, float]:
    """What the scores are worth on rows whose true chance is known.

    The AUROC is that of labels drawn from the true chance, in expectation: a row is a positive with weight p and a
    negative with weight 1 - p. So is the oracle's, whose scores are the chance itself.
    """
    logits = model.logits(held.conversations, held.responses, progress="held out")
    chance = sigmoid(logits)
    own, oracle = auroc(held.chance, logits), auroc(held.chance, held.chance)
    order = np.argsort(chance, kind="stable")
    gaps = [abs(chance[part].sum() - held.chance[part].sum()) for part in np.array_split(order, BINS)]
    rho, truth = (abs(rank_correlation(held.words, each)) for each in (logits, held.chance))
    part = slice(0, AUDITED)
    shifts = {each.edit: each.shift for each in counterfactuals(model, held.conversations[part], held.responses[part])}
    return {
        "auroc": own,
        "oracle": oracle,
        "oracle_ratio": own / oracle,
        "ece_over_base": float(sum(gaps) / held.chance.sum()),
        "length_rho_excess": rho - truth,
        "closing_shift": shifts["closing appended"],
    }


def summary(found: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Every row's figures over seeds, and those of the whole at the top."""
    rows = [
        {"name": name, "seeds": len(each)} | {key: _figure([one[key] for one in each]) for key in each[0]}
        for name, each in found.items()
        if each
    ]
    by_name = {row["name"]: row for row in rows}
    top = {key: by_name["full"][key] for key in KEYS} if "full" in by_name else {}
    if {"pairs", "unpaired"} <= by_name.keys():
        both = zip(found["pairs"], found["unpaired"], strict=True)
        top["bt_gap"] = _figure([one["pair_accuracy"] - other["pair_accuracy"] for one, other in both])
    return top | {"rows": rows}


def _figure(values: Sequence[float]) -> dict[str, float | None]:
    low, high = student([*values]) or (None, None)
    return {"value": float(np.mean(values)), "low": low, "high": high}


def lines(found: Mapping[str, Any]) -> list[str]:
    """The table as a person reads it."""
    told = []
    for row in found["rows"]:
        shown = ", ".join(f"{key} {_words(row[key])}" for key in row if key not in ("name", "seeds"))
        told.append(f"{row['name']:10} ({row['seeds']} seeds): {shown}")
    return [*told, "", *(f"{key}: {_words(each)}" for key, each in found.items() if key != "rows")]


def _words(each: Mapping[str, float | None]) -> str:
    span = "" if each["low"] is None else f" [{each['low']:.3f}, {each['high']:.3f}]"
    return f"{each['value']:.3f}{span}"
