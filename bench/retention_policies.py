"""Policies optimised for Love, for retention and for both: [--quick] [--seeds 1-3] [--json FILE] [--plot FILE].

One world, its log, encoder and retention model of `bench/retention.py` (seed 1, kept in the same work folder), and
P[Love] from the same log by the same kind of model. For each seed three optimisations of the policy that wrote the log,
on the same prompts with as many steps (CRRAFT, no judges); a seed has prompts, samples and judged answers of its own,
the rewards in common, so that intervals do not speak of other worlds or rewards. The world's hidden truth then reads
their answers, and people live under each.

Before that the best of eight answers by each reward (`retention_parts/selection.py`), which needs no training.

Keys of the JSON: `selection`, by what chose; `policies`, by name: true figures as means over seeds with t-intervals,
each as a change against the incumbent on the same prompts (`love`, `pleases`, `returns`, traits); `apart`, by figure:
retention's policy less Love's; `seeds`.
"""

import argparse
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import harness
import numpy as np
from retention import FULL, QUICK, WORK, once, prepared, say
from retention_parts.policies import TRAITS, WEIGHTS, Sizes, effects, love_model, optimised
from retention_parts.selection import selected
from rluf_parts.table import span
from scipy.stats import t as student

WORLD_SEED = 1
SIZES = Sizes(6_000, 2, 100, 400, 6_000, 150)
SMALL = Sizes(3_000, 1, 24, 60, 800, 20)
FIGURES = ("love", "pleases", "returns", "words", *TRAITS)


def measured(seed: int, work: Path, *, quick: bool) -> dict[str, dict[str, float]]:
    """What the incumbent and the three policies of a seed truly do."""
    sizes = SMALL if quick else SIZES
    world, place, log, encoder, _ = prepared(WORLD_SEED, work, QUICK if quick else FULL)
    once(place / "p_love", partial(love_model, log, encoder, world, sizes))
    places = {"incumbent": encoder}
    for name in WEIGHTS:
        places[name] = once(place / f"policy-{name}-{seed}", partial(optimised, place, name, sizes, seed))
    file = once(
        place / f"policies-{seed}.json", lambda to: to.write_text(json.dumps(effects(places, world, sizes, seed)))
    )
    return dict(json.loads(file.read_text()))


def chosen_from(work: Path, *, quick: bool) -> dict[str, Any]:
    """What each reward chooses among eight answers; see `selection.selected`."""
    sizes = SMALL if quick else SIZES
    world, place, log, encoder, _ = prepared(WORLD_SEED, work, QUICK if quick else FULL)
    once(place / "p_love", partial(love_model, log, encoder, world, sizes))
    file = once(
        place / "selection.json",
        lambda to: to.write_text(json.dumps(selected(place, world, sizes.chosen, WORLD_SEED))),
    )
    return dict(json.loads(file.read_text()))


def summary(seeds: Mapping[int, Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Changes against the incumbent of the same seed, over seeds."""

    def change(name: str, base: str, figure: str) -> list[float | None]:
        return _interval([one[name][figure] - one[base][figure] for one in seeds.values()])

    return {
        "policies": {name: {each: change(name, "incumbent", each) for each in FIGURES} for name in WEIGHTS},
        "apart": {each: change("retention", "love", each) for each in FIGURES},
        "incumbent": {each: float(np.mean([one["incumbent"][each] for one in seeds.values()])) for each in FIGURES},
        "seeds": {str(seed): dict(one) for seed, one in seeds.items()},
    }


def _interval(values: list[float]) -> list[float | None]:
    """Mean, low and high of a 95 % t-interval; open with one seed."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return [mean, None, None]
    half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return [mean, mean - half, mean + half]


def lines(found: dict[str, Any]) -> list[str]:
    """The table: changes in points (words as they are)."""
    told = [f"{'change against the incumbent':28} {'incumbent':>9} " + " ".join(f"{name:>26}" for name in WEIGHTS)]
    for each in FIGURES:
        scale = 1 if each == "words" else 100
        cells = (_cell(found["policies"][name][each], scale) for name in WEIGHTS)
        told.append(f"{each:28} {scale * found['incumbent'][each]:9.1f} " + " ".join(f"{cell:>26}" for cell in cells))
    apart = {each: span_ for each, span_ in found["apart"].items() if span_[1] is not None and span_[1] * span_[2] > 0}
    words = ", ".join(f"{each} {_cell(span_, 1 if each == 'words' else 100)}" for each, span_ in apart.items())
    return [*told, f"retention's policy less Love's, beyond chance: {words or 'nothing'}"]


def _cell(span_: list[float | None], scale: int) -> str:
    value, low, high = (None if each is None else scale * each for each in span_)
    return f"{value:+.2f}" + ("" if low is None else f" [{low:+.2f}, {high:+.2f}]")


def selection_lines(found: dict[str, Any]) -> list[str]:
    """The table of the best of eight, against a random one; changes in points (words as they are)."""
    told = [f"{'best of eight':20} " + " ".join(f"{name:>26}" for name in found)]
    for each in found["apart"]:
        cells = (_cell(found[name][each], 1 if each == "words" else 100) for name in found)
        told.append(f"{each:20} " + " ".join(f"{cell:>26}" for cell in cells))
    return told


def plot(found: dict[str, Any], file: Path) -> None:
    """True Love against true retention, a dot a seed and policy."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    for name, marker in zip(("incumbent", *WEIGHTS), "sovD", strict=True):
        dots = np.array([[100 * one[name]["love"], 100 * one[name]["returns"]] for one in found["seeds"].values()])
        axes.scatter(*dots.T, label=name, marker=marker)
    axes.set_xlabel("true Love rate, %")
    axes.set_ylabel("return after 14 days, % of people, lived")
    axes.legend()
    figure.savefig(file, format="png", dpi=150)


def _asked() -> argparse.Namespace:
    read = harness.arguments(__doc__, quick="a small world, one seed, a round of few prompts; figures mean nothing")
    read.add_argument("--seeds", type=span, default="1-3", help="FIRST-LAST, or one (1-3)")
    read.add_argument("--work", type=Path, default=WORK, help=f"where seeds are kept ({WORK})")
    read.add_argument("--plot", type=Path, help="write the plot here, a PNG")
    return read.parse_args()


def main() -> None:
    """Measure, print, write."""
    asked = _asked()
    chosen = chosen_from(asked.work, quick=asked.quick)
    say("\n".join(selection_lines(chosen)))
    harness.write(asked.json, {"selection": chosen})
    seeds: dict[int, dict[str, dict[str, float]]] = {}
    for seed in (1,) if asked.quick else asked.seeds:
        seeds[seed] = measured(seed, asked.work, quick=asked.quick)
        harness.write(asked.json, summary(seeds) | {"selection": chosen})
    found = summary(seeds)
    say("\n".join(lines(found)))
    if asked.plot:
        plot(found, asked.plot)


if __name__ == "__main__":
    main()
