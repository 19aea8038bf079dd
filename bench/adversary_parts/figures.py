"""From the figures of cells to those of the benchmark: means over seeds, with t-intervals over seeds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.special import stdtrit

from adversary_parts.cells import ALL, ATTACKS, NONE, UNSEEN

Found = dict[str, Any]
Records = list[Found]
Figure = Callable[[Records], float | None]
LEVEL = 0.95


def interval(values: Iterable[float | None]) -> Found:
    """Mean of one figure a seed, with the t-interval over seeds; one seed has no interval.

    >>> interval([0.8, 0.9, 1.0])
    {'mean': 0.9, 'low': 0.651586, 'high': 1.148414, 'seeds': 3}
    """
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return {"mean": None, "low": None, "high": None, "seeds": 0}
    mean, low, high = float(known.mean()), None, None
    if len(known) > 1:
        reach = float(stdtrit(len(known) - 1, (1 + LEVEL) / 2) * known.std(ddof=1) / np.sqrt(len(known)))
        low, high = round(mean - reach, 6), round(mean + reach, 6)
    return {"mean": round(mean, 6), "low": low, "high": high, "seeds": len(known)}


def records(cells: Sequence[Found], clean: dict[int, list[Found]]) -> Records:
    """One flat record for each attack of each cell.

    Args:
        cells: From `one_cell.measure`.
        clean: By seed, the marks of the clean models, from `Seed.clean`.
    """
    return [_record(cell, name, clean[cell["seed"]][0]) for cell in cells for name in cell["shares"]]


def _record(cell: Found, name: str, clean: Found) -> Found:
    own, learnt = cell["attacks"].get(name), cell["learning"]
    if own is None:
        raise ValueError(f"no love of {name} stands in {cell['cell']} of seed {cell['seed']}: its budget is too small")
    shifts = {
        f"shift_{scale}_{feedback}": learnt[feedback][scale][name] - clean[scale][name]
        for scale in ("chance", "logit")
        for feedback in ("open", "filtered")
    }
    losses = {
        f"{mark}_loss_{feedback}": clean[mark] - learnt[feedback][mark]
        for mark in ("auroc", "auroc_oracle")
        for feedback in ("open", "filtered")
    }
    plain = {key: own[key] for key in ("loves", "recall", "recall_at_loss", "rules", "hours")}
    cell_wide = {"honest_loss": cell["honest"]["loss"], "precision": cell["precision"]}
    place = {"seed": cell["seed"], "cell": cell["cell"], "attack": name, "share": cell["shares"][name]}
    return place | plain | cell_wide | shifts | losses


def over_seeds(rows: Records, figure: Figure) -> Found:
    """A figure of each seed's records, as `interval`."""
    of_seed = defaultdict(list)
    for row in rows:
        of_seed[row["seed"]].append(row)
    return interval(figure(own) for own in of_seed.values())


def mean_of(name: str) -> Figure:
    """Mean of one entry over records; those without it do not count."""

    def figure(rows: Records) -> float | None:
        known = [row[name] for row in rows if row[name] is not None]
        return float(np.mean(known)) if known else None

    return figure


def cut_of(scale: str) -> Figure:
    """1 less the sum of shifts with the filter over the sum without, both by size."""

    def figure(rows: Records) -> float | None:
        without, left = (
            sum(abs(row[f"shift_{scale}_{feedback}"]) for row in rows) for feedback in ("open", "filtered")
        )
        return 1 - left / without if without else None

    return figure


def by_attack(rows: Records, figure: Figure) -> Found:
    """A figure for each attack, over its shares."""
    names = [name for name in (*ATTACKS, *UNSEEN) if any(row["attack"] == name for row in rows)]
    return {name: over_seeds([row for row in rows if row["attack"] == name], figure) for name in names}


def by_share(rows: Records, figure: Figure) -> Found:
    """A figure for each attack and share."""
    shares = sorted({row["share"] for row in rows})
    return {f"{share:g}": by_attack([row for row in rows if row["share"] == share], figure) for share in shares}


def summary(cells: Sequence[Found], clean: dict[int, list[Found]]) -> Found:
    """Everything that the benchmark reports: means under their own keys, the same with intervals under `intervals`."""
    rows = records([cell for cell in cells if cell["cell"] not in (NONE, ALL)], clean)
    seen = [row for row in rows if row["attack"] not in UNSEEN]
    unseen = [row for row in rows if row["attack"] in UNSEEN]
    together = records([cell for cell in cells if cell["cell"] == ALL], clean)
    recall, at_loss = mean_of("recall"), mean_of("recall_at_loss")
    intervals = {
        "recall": by_attack(seen, recall),
        "recall_by_share": by_share(seen, recall),
        "recall_at_loss": by_attack(seen, at_loss),
        "recall_at_loss_by_share": by_share(seen, at_loss),
        "mean_recall": over_seeds(seen, recall),
        "mean_recall_at_loss": over_seeds(seen, at_loss),
        "honest_loss": over_seeds(seen, mean_of("honest_loss")),
        "honest_loss_by_attack": by_attack(seen, mean_of("honest_loss")),
        "precision": by_attack(seen, mean_of("precision")),
        "precision_by_share": by_share(seen, mean_of("precision")),
        "target_shift_cut": over_seeds(seen, cut_of("chance")),
        "target_shift_cut_by_attack": by_attack(seen, cut_of("chance")),
        "target_shift_cut_by_share": by_share(seen, cut_of("chance")),
        "target_shift_cut_logit": over_seeds(seen, cut_of("logit")),
        "honest_auroc_loss": over_seeds(seen, mean_of("auroc_loss_filtered")),
        "honest_auroc_loss_unfiltered": over_seeds(seen, mean_of("auroc_loss_open")),
        "honest_auroc_loss_oracle": over_seeds(seen, mean_of("auroc_oracle_loss_filtered")),
        "honest_auroc_loss_oracle_unfiltered": over_seeds(seen, mean_of("auroc_oracle_loss_open")),
        "together_recall": by_attack(together, recall),
        "together_honest_loss": over_seeds(together, mean_of("honest_loss")),
        "together_shift_cut": over_seeds(together, cut_of("chance")),
        "unseen_recall": by_attack(unseen, recall),
        "unseen_recall_by_share": by_share(unseen, recall),
        "unseen_recall_at_loss": by_attack(unseen, at_loss),
        "unseen_honest_loss": over_seeds(unseen, mean_of("honest_loss")),
        "unseen_shift_cut": by_attack(unseen, cut_of("chance")),
        "clean_auroc": interval(marks[0]["auroc"] for marks in clean.values()),
        "clean_auroc_oracle": interval(marks[0]["auroc_oracle"] for marks in clean.values()),
        **_without_attack(cells, clean),
    }
    return {
        **{name: means(value) for name, value in intervals.items()},
        "worst_honest_loss": max((row["honest_loss"] for row in seen), default=None),
        "worst_honest_auroc_loss": max((row["auroc_loss_filtered"] for row in seen), default=None),
        "time_to_detection": {each: times(rows, each) for each in dict.fromkeys(row["attack"] for row in rows)},
        "shifts": shifts(rows, clean),
        "rules": {name: rules([row for row in rows if row["attack"] == name]) for name in {r["attack"] for r in rows}},
        "honest_rules": honest_rules(cells),
        "intervals": intervals,
    }


def means(value: Found) -> Any:
    """Intervals without their ends.

    >>> means({"a": {"mean": 0.5, "low": None, "high": None, "seeds": 1}})
    {'a': 0.5}
    """
    return value["mean"] if "mean" in value else {name: means(each) for name, each in value.items()}


def _without_attack(cells: Sequence[Found], clean: dict[int, list[Found]]) -> Found:
    """What the filter costs where nobody attacks."""
    none = [cell for cell in cells if cell["cell"] == NONE]
    lost = (clean[cell["seed"]][0]["auroc"] - cell["learning"]["filtered"]["auroc"] for cell in none)
    return {
        "honest_loss_without_attack": interval(cell["honest"]["loss"] for cell in none),
        "honest_auroc_loss_without_attack": interval(lost),
    }


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
