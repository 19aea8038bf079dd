"""Is the ranking of signals right? Worlds whose truth is known, from events to intervals: [--quick] [--json FILE].

In each world satisfaction alone decides who stays; a heart does nothing by itself. So the change of retention that goes
with a signal ought to be (satisfaction that goes with it) x (what satisfaction does to retention). The first factor is
read from the users' minds, the second is measured by an experiment on them; neither uses the events. The signal
"returns next day" has no such product, since it comes after the day: later days and habits speak through it too.

Every world is simulated with faults and bots, stored by the sink's own code, ranked, and compared.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import harness
import numpy as np
import pyarrow as pa
from stored import store

from assets.signals import COUNTS, SIGNALS, ranked
from experiments.association import Ranking
from experiments.design import design
from streams.synthetic import WorldConfig, simulate
from streams.synthetic.studies.retention import effect_of_pleasing, lived_days
from warehouse.signals import with_sentiment

OF_THE_DAY = [signal for signal in SIGNALS if signal.column != "returned"]


def gaps(lived: pa.Table) -> dict[str, float]:
    """Mean satisfaction with a signal less without it, the ranking's controls held fixed (least squares)."""
    found = {}
    for signal in OF_THE_DAY:
        own = design(lived, signal, COUNTS)
        columns = np.column_stack([np.ones(len(own.known)), own.columns])
        satisfaction = lived["satisfaction"].to_numpy()[own.known]
        found[signal.column] = float(np.linalg.lstsq(columns, satisfaction, rcond=None)[0][1])
    return found


def one_world(seed: int, responses: int, place: Path) -> tuple[Ranking, dict[str, float], float, float]:
    """A world's ranking, its gaps, the effect of a good ending, and the seconds that the ranking took."""
    config = WorldConfig.long(seed=seed, responses=responses, users=responses // 6)
    simulate(config, place / "world")
    store(place / "world" / "events.ndjson", place / "warehouse.duckdb", config.ends_at)
    started = time.perf_counter()
    found = ranked(place / "warehouse.duckdb", as_of=config.ends_at)
    took = time.perf_counter() - started
    return found, gaps(with_sentiment(lived_days(config))), effect_of_pleasing(config).value, took


def compare(worlds: list[tuple[Ranking, dict[str, float], float, float]]) -> dict[str, Any]:
    """Each signal's expected and estimated effects, how many intervals hold, and settled pairs in the wrong order."""
    causal = float(np.mean([effect for _, _, effect, _ in worlds]))
    gap = {signal.column: float(np.mean([each[signal.column] for _, each, _, _ in worlds])) for signal in OF_THE_DAY}
    signals: dict[str, Any] = {}
    for column, size in gap.items():
        effects = [
            one.effect for found, *_ in worlds for one in found.associations if one.column == column and one.effect
        ]
        held = sum(effect.low < size * causal < effect.high for effect in effects)
        estimated = [round(effect.value, 4) for effect in effects]
        signals[column] = {"expected": round(size * causal, 4), "estimated": estimated, "held": held}
    return {
        "worlds": len(worlds),
        "user_days": [found.rows for found, *_ in worlds],
        "effect_of_a_good_ending": round(causal, 3),
        "signals": signals,
        "intervals": sum(len(each["estimated"]) for each in signals.values()),
        "intervals_that_hold": sum(each["held"] for each in signals.values()),
        "settled_pairs": sum(len(_settled(found, gap)) for found, *_ in worlds),
        "settled_wrongly": sum(not right for found, *_ in worlds for right in _settled(found, gap)),
        "ranking_s": [round(took, 1) for *_, took in worlds],
    }


def _settled(found: Ranking, gap: dict[str, float]) -> list[bool]:
    """Of pairs whose intervals lie apart: whether their order is the true one."""
    known = [one for one in found.associations if one.adjusted and one.column in gap]
    pairs = [(a, b) for place, a in enumerate(known) for b in known[place + 1 :]]
    return [
        gap[a.column] > gap[b.column]
        for a, b in pairs
        if a.adjusted and b.adjusted and a.adjusted.low > b.adjusted.high
    ]


def main() -> None:
    """Compare, print, and say whether the ranking is right."""
    parser = harness.arguments(__doc__, quick="2 worlds of 40,000 responses instead of 5 of 300,000")
    wanted = parser.parse_args()
    worlds = []
    for seed in range(1, 3 if wanted.quick else 6):
        with tempfile.TemporaryDirectory(prefix="loveloop-signals-") as place:
            worlds.append(one_world(seed, 40_000 if wanted.quick else 300_000, Path(place)))
    figures = compare(worlds)
    for column, each in figures["signals"].items():
        estimates = " ".join(f"{value:+.3f}" for value in each["estimated"])
        print(f"{column:<10} expected {each['expected']:+.3f}  estimated {estimates}  {each['held']} intervals hold")
    print({name: value for name, value in figures.items() if name != "signals"})
    print("the order is right" if not figures["settled_wrongly"] else "THE ORDER IS WRONG")
    harness.write(wanted.json, figures)


if __name__ == "__main__":
    main()
