"""From what policies do to the table: figures against the incumbent, their intervals, the paper's beside them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from rluf_parts.measure import TRAITS
from rluf_parts.rows import WAYS, Row, recipe_for
from rluf_parts.world import recipe_of

Traits = NDArray[np.float64]
DRAWS = 400
"""Bootstrap draws of prompts, where there is one seed."""
OVER_SEEDS, OVER_PROMPTS = "t over seeds", "bootstrap over the prompts of one seed"
PAPER: Sequence[Mapping[str, Any]] = (
    {"love_weight": 0.0, "live_love_lift": None, "closings": 0.0072},
    {"love_weight": 0.1, "live_love_lift": 0.097, "closings": None},
    {"love_weight": 0.3, "live_love_lift": 0.28, "closings": 0.028},
)
"""RLUF (arXiv 2505.14946), live A/B against weight 0; its helpfulness falls by 4 % to 16 % from weight .1 to .3."""


def figures(row: Traits, incumbent: Traits, weight_0: Traits | None) -> dict[str, float | None]:
    """A policy's figures on one seed, from traits [prompts, traits].

    Lifts and ratios are relative, minus 1 for lifts; deltas are differences of shares.

    >>> one, other = np.full((2, len(TRAITS)), 0.5), np.full((2, len(TRAITS)), 0.25)
    >>> found = figures(one, other, None)
    >>> found["true_love_lift"], found["closing_ratio"], found["safety_delta"], found["lift_over_weight_0"]
    (1.0, 2.0, 0.25, None)
    """
    now, base = (dict(zip(TRAITS, each.mean(axis=0).tolist(), strict=True)) for each in (row, incumbent))
    control = float(weight_0[:, TRAITS.index("love")].mean()) if weight_0 is not None else None
    return {
        "true_love_lift": _less_1(_over(now["love"], base["love"])),
        "lift_over_weight_0": _less_1(_over(now["love"], control)),
        "closing_ratio": _over(now["closing"], base["closing"]),
        "helpfulness_delta": now["helpful"] - base["helpful"],
        "safety_delta": now["safe"] - base["safe"],
        "fluency_delta": now["fluent"] - base["fluent"],
        "question_delta": now["question"] - base["question"],
        "emoji_delta": now["emoji"] - base["emoji"],
        "flattery_delta": now["flattery"] - base["flattery"],
        "length_ratio": _over(now["words"], base["words"]),
        "length_ratio_as_warm": _over(_words_as_warm(now, base["warm"]), base["words"]),
    }


def _words_as_warm(now: Mapping[str, float], warm: float) -> float | None:
    """Words of an answer if a share `warm` of the answers were warm: warmth takes words, which is no padding.

    >>> _words_as_warm({"words": 12.0, "warm": 0.75, "warm_words": 10.5}, 0.25)
    8.0
    """
    if not 0 < now["warm"] < 1:
        return None
    cool = (now["words"] - now["warm_words"]) / (1 - now["warm"])
    return warm * now["warm_words"] / now["warm"] + (1 - warm) * cool


def _over(value: float | None, base: float | None) -> float | None:
    return value / base if base and value is not None else None


def _less_1(value: float | None) -> float | None:
    return None if value is None else value - 1


def row_of(row: Row, seeds: Mapping[int, Mapping[str, Traits]]) -> dict[str, Any]:
    """A row of the table over the seeds that have it.

    Args:
        row: Which.
        seeds: By seed the traits of each row by name, and of `incumbent`.

    Returns:
        What was trained, `seeds`, what `interval` is, and each figure with low and high: a t-interval over seeds, for
        one seed a bootstrap over its prompts.
    """
    settings = recipe_for(row, recipe_of(1, quick=False)).policy
    there = {seed: found for seed, found in seeds.items() if row.name in found}
    return {
        "name": row.name,
        "words": WAYS[row.way].words,
        "judges": list(settings.judge_names()),
        "pairs": settings.config.pairs,
        "love_weight": row.love_weight,
        "optimiser": settings.config.optimiser,
        "weights": settings.config.weights,
        "kl_limit": settings.config.kl_limit,
        "supervised": settings.config.supervised,
        "lr": settings.config.lr,
        "temperature": settings.config.temperature,
        "seeds": sorted(there),
        "interval": OVER_SEEDS if len(there) > 1 else OVER_PROMPTS,
        **_with_intervals(row, there),
    }


def _with_intervals(row: Row, seeds: Mapping[int, Mapping[str, Traits]]) -> dict[str, Any]:
    control = Row(row.way, 0.0).name if row.love_weight else ""
    trios = [(found[row.name], found["incumbent"], found.get(control)) for found in seeds.values()]
    single = [figures(*trio) for trio in trios]
    if len(trios) == 1:
        spread, bounds = _resampled(*trios[0]), _quantiles
    else:
        spread, bounds = single, student
    return {name: _bounded(name, single, spread, bounds) for name in (single[0] if single else ())}


Bounds = Callable[[list[float]], tuple[float, float] | None]


def _bounded(
    name: str,
    single: Sequence[Mapping[str, float | None]],
    spread: Sequence[Mapping[str, float | None]],
    bounds: Bounds,
) -> dict[str, Any] | None:
    values = [each[name] for each in single]
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    around = bounds([value for each in spread if (value := each[name]) is not None])
    low, high = around or (None, None)
    return {"value": float(np.mean(known)), "low": low, "high": high, "by_seed": known}


def _resampled(row: Traits, incumbent: Traits, weight_0: Traits | None) -> list[dict[str, float | None]]:
    chance = np.random.default_rng(0)
    count = len(row)
    draws = [chance.integers(0, count, count) for _ in range(DRAWS)]
    return [figures(row[d], incumbent[d], None if weight_0 is None else weight_0[d]) for d in draws]


def _quantiles(values: list[float]) -> tuple[float, float] | None:
    if not values:
        return None
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    return low, high


def student(values: list[float]) -> tuple[float, float] | None:
    """A 95 % t-interval of the mean over seeds.

    >>> [round(each, 2) for each in student([1.0, 2.0, 3.0])]
    [-0.48, 4.48]
    """
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values))
    half = float(t.ppf(0.975, len(values) - 1)) * error
    return mean - half, mean + half


def span(told: str) -> range:
    """Seeds as the command line has them.

    >>> [*span("2-4")], [*span("3")]
    ([2, 3, 4], [3])
    """
    first, _, last = told.partition("-")
    return range(int(first), int(last or first) + 1)


def summary(
    wanted: Sequence[Row],
    seeds: Mapping[int, Mapping[str, Traits]],
    failed: Sequence[Mapping[str, Any]],
    *,
    quick: bool,
    labels: int | None = None,
) -> dict[str, Any]:
    """What `--json` writes.

    Args:
        wanted: The rows, in order.
        seeds: By seed the traits of each row by name, and of `incumbent`.
        failed: Rows that could not be trained, with seed and reason.
        quick: On the small world.
        labels: That helpfulness learnt from; None for the demo's number.
    """
    incumbents = {
        seed: dict(zip(TRAITS, each["incumbent"].mean(axis=0).tolist(), strict=True)) for seed, each in seeds.items()
    }
    return {
        "quick": quick,
        "labels": labels or recipe_of(1, quick=quick).helpfulness.count,
        "seeds": sorted(seeds),
        "incumbent": incumbents,
        "rows": [row_of(row, seeds) for row in wanted],
        "failed": list(failed),
        "paper": list(PAPER),
    }


def lines(found: Mapping[str, Any]) -> list[str]:
    """The table as a person reads it."""
    rows = [row for row in found["rows"] if row["seeds"]]
    told = [
        "against the incumbent; over 0: true Love over the weight-0 policy trained the same way",
        "means over seeds ± half of a 95 % interval: t over seeds; of one seed over its prompts alone",
        "",
    ]
    told.append(f"{'row':17}{'seeds':>6}" + "".join(f"{title:>14}" for title, *_ in _COLUMNS))
    told += [
        f"{row['name']:17}{len(row['seeds']):>6}"
        + "".join(f"{_cell(row.get(key), show):>14}" for _, key, show in _COLUMNS)
        for row in rows
    ]
    told += ["", "the paper, live: weight, Love over weight 0, closings"]
    told += [
        f"  {each['love_weight']:g}  {_maybe(each['live_love_lift'], '+.1%')}  {_maybe(each['closings'], '.2%')}"
        for each in PAPER
    ]
    return told


_COLUMNS = (
    ("Love", "true_love_lift", "+.0%"),
    ("over 0", "lift_over_weight_0", "+.0%"),
    ("closings x", "closing_ratio", ".2f"),
    ("helpful", "helpfulness_delta", "+.1%"),
    ("safe", "safety_delta", "+.1%"),
    ("fluent", "fluency_delta", "+.1%"),
    ("asks", "question_delta", "+.1%"),
    ("emoji", "emoji_delta", "+.1%"),
    ("flattery", "flattery_delta", "+.1%"),
    ("length x", "length_ratio", ".2f"),
    ("as warm x", "length_ratio_as_warm", ".2f"),
)


def _cell(figure: Mapping[str, Any] | None, show: str) -> str:
    """A value and half of its interval, for the width of a line; the whole interval stands in the JSON."""
    if figure is None:
        return "-"
    half = "" if figure["low"] is None else f" ±{(figure['high'] - figure['low']) / 2:{show.lstrip('+')}}"
    return f"{figure['value']:{show}}{half}"


def _maybe(value: float | None, show: str) -> str:
    return "-" if value is None else format(value, show)
