"""Work shared out to all cores, with a bar of progress."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

Task = TypeVar("Task")
Found = TypeVar("Found")


def each(work: Callable[[Task], Found], tasks: Sequence[Task], title: str) -> list[Found]:
    """What `work` finds in each task, in their order."""
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as processes:
        found: Iterable[Found] = processes.map(work, tasks)
        return list(tqdm(found, total=len(tasks), desc=title, disable=None))


def median_interval(values: Any, draws: int = 2_000, over: Any = None) -> list[float]:
    """A median with its 95 % bootstrap interval; of a ratio of medians of the same tests where `over` is given."""
    values = np.asarray(values, dtype=float)
    below = None if over is None else np.asarray(over, dtype=float)
    rows = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))

    def median(at: Any) -> Any:
        top = np.median(values[at], axis=-1)
        return top if below is None else top / np.median(below[at], axis=-1)

    with np.errstate(invalid="ignore"):  # infinity over infinity: neither has a median
        drawn = median(rows)
        told = [median(slice(None)), *np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")]
    return [float(each) for each in told]


def told(value: float) -> float | str:
    """A number, or "never": JSON has no infinity."""
    return float(value) if np.isfinite(value) else "never"
