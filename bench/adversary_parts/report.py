"""Everything that the benchmark reports, from the figures of cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from adversary_parts.cells import ALL, NONE, UNSEEN
from adversary_parts.figures import (
    Found,
    Records,
    by_attack,
    by_share,
    cut_of,
    filled,
    interval,
    mean_of,
    means,
    over_seeds,
    records,
)

_OVERALL = {
    "mean_recall": mean_of("recall"),
    "mean_recall_at_loss": mean_of("recall_at_loss"),
    "honest_loss": mean_of("honest_loss"),
    "target_shift_cut": cut_of("chance"),
    "target_shift_cut_logit": cut_of("logit"),
    "honest_auroc_loss": mean_of("auroc_loss_filtered"),
    "honest_auroc_loss_unfiltered": mean_of("auroc_loss_open"),
    "honest_auroc_loss_oracle": mean_of("auroc_oracle_loss_filtered"),
    "honest_auroc_loss_oracle_unfiltered": mean_of("auroc_oracle_loss_open"),
}
_BY_ATTACK = {
    "recall": mean_of("recall"),
    "recall_at_loss": mean_of("recall_at_loss"),
    "precision": mean_of("precision"),
    "honest_loss_by_attack": mean_of("honest_loss"),
    "target_shift_cut_by_attack": cut_of("chance"),
}
_BY_SHARE = {
    "recall_by_share": mean_of("recall"),
    "recall_at_loss_by_share": mean_of("recall_at_loss"),
    "precision_by_share": mean_of("precision"),
    "target_shift_cut_by_share": cut_of("chance"),
}


def summary(cells: Sequence[Found], clean: dict[int, list[Found]]) -> Found:
    """Everything that the benchmark reports: means under their own keys, the same with intervals under `intervals`.

    The attacks that the filter was not written for have keys of their own, `unseen_...`, as has the world that suffers
    all others at once, `together_...`.

    Args:
        cells: From `one_cell.measure`.
        clean: By seed, the marks of the clean models, from `Seed.clean`.
    """
    rows = records([cell for cell in cells if cell["cell"] not in (NONE, ALL)], clean)
    seen = [row for row in rows if row["attack"] not in UNSEEN]
    unseen = [row for row in rows if row["attack"] in UNSEEN]
    together = records([cell for cell in cells if cell["cell"] == ALL], clean)
    intervals = {
        **_figures(seen),
        **{f"unseen_{name}": value for name, value in _figures(unseen).items()},
        **{f"together_{name}": value for name, value in _figures(together).items()},
        **_without_attack(cells, clean),
    }
    names = list(dict.fromkeys(row["attack"] for row in rows))
    return {
        **{name: means(value) for name, value in intervals.items()},
        "worst_honest_loss": max((row["honest_loss"] for row in seen), default=None),
        "worst_honest_auroc_loss": max((row["auroc_loss_filtered"] for row in seen), default=None),
        "time_to_detection": {name: times(rows, name) for name in names},
        "shifts": shifts(rows, clean),
        "gave_no_love": [f"{cell['cell']} of seed {cell['seed']}" for cell in cells for name in silent(cell)],
        "rules": {name: rules([row for row in rows if row["attack"] == name]) for name in names},
        "honest_rules": honest_rules(cells),
        "intervals": intervals,
    }


def _figures(rows: Records) -> Found:
    whole = filled(rows)
    overall = {name: over_seeds(whole, figure) for name, figure in _OVERALL.items()}
    attacks = {name: by_attack(whole, figure) for name, figure in _BY_ATTACK.items()}
    return overall | attacks | {name: by_share(rows, figure) for name, figure in _BY_SHARE.items()}


def _without_attack(cells: Sequence[Found], clean: dict[int, list[Found]]) -> Found:
    """What a model reaches without filter, and what the filter costs, where nobody attacks."""
    none = [cell for cell in cells if cell["cell"] == NONE]
    lost = (clean[cell["seed"]][0]["auroc"] - cell["learning"]["filtered"]["auroc"] for cell in none)
    return {
        "clean_auroc": interval(marks[0]["auroc"] for marks in clean.values()),
        "clean_auroc_oracle": interval(marks[0]["auroc_oracle"] for marks in clean.values()),
        "honest_loss_without_attack": interval(cell["honest"]["loss"] for cell in none),
        "honest_auroc_loss_without_attack": interval(lost),
    }


def silent(cell: Found) -> list[str]:
    """Attacks of a cell that gave no love: of few accounts in an A/B test, none may find itself in the arm wanted."""
    return [name for name in cell["shares"] if name not in cell["attacks"]]


def times(rows: Records, attack: str) -> Found:
    """Hours to detection of an attack by share: medians over seeds, what was never detected counted as longest."""
    found = {}
    for share in sorted({row["share"] for row in rows if row["attack"] == attack}):
        own = [row["hours"] for row in rows if row["attack"] == attack and row["share"] == share]
        censored = round(float(np.mean([each["censored"] for each in own])), 4)
        medians = {name: _median([each[name] for each in own]) for name in ("alarm", "median")}
        found[f"{share:g}"] = medians | {"censored": censored}
    return found


def _median(values: list[float | None]) -> float | None:
    known = np.sort([np.inf if value is None else value for value in values])
    middle = float(known[(len(known) - 1) // 2])
    return round(middle, 2) if np.isfinite(middle) else None


def shifts(rows: Records, clean: dict[int, list[Found]]) -> list[Found]:
    """By attack and share: the shift of mean P[Love] on its target without and with the filter, and its cut.

    `noise` is how far clean models that drew other negatives lie apart (one standard deviation). A shift without filter
    whose mean lies within two standard errors of 0 is no shift: `within_noise`.
    """
    found = []
    for name, share in dict.fromkeys((row["attack"], row["share"]) for row in rows):
        own = [row for row in rows if (row["attack"], row["share"]) == (name, share)]
        noise = float(np.sqrt(np.mean([_spread(clean[row["seed"]], name) for row in own])))
        pushed = float(np.mean([row["shift_chance_open"] for row in own]))
        found.append(
            {
                "attack": name,
                "share": share,
                "clean": round(float(np.mean([clean[row["seed"]][0]["chance"][name] for row in own])), 5),
                "open": over_seeds(own, mean_of("shift_chance_open")),
                "filtered": over_seeds(own, mean_of("shift_chance_filtered")),
                "cut": over_seeds(own, cut_of("chance"))["mean"],
                "noise": round(noise, 5),
                "within_noise": bool(abs(pushed) < 2 * noise / np.sqrt(len(own))),
            }
        )
    return found


def _spread(marks: list[Found], attack: str) -> float:
    """Variance over clean models; 0 where there is one."""
    said = [each["chance"][attack] for each in marks]
    return float(np.var(said, ddof=1)) if len(said) > 1 else 0.0


def rules(rows: Records) -> Found:
    """Share of an attack's loves that each rule leaves out, over all its cells; several rules may name one love."""
    total, loves = Counter[str](), sum(row["loves"] for row in rows)
    for row in rows:
        total.update(row["rules"])
    return {name: round(count / loves, 4) for name, count in total.most_common()}


def honest_rules(cells: Sequence[Found]) -> Found:
    """Share of honest loves that each rule costs, over all cells."""
    total, loves = Counter[str](), sum(cell["honest"]["loves"] for cell in cells)
    for cell in cells:
        total.update(cell["honest"]["rules"])
    return {name: round(count / loves, 5) for name, count in total.most_common()}
