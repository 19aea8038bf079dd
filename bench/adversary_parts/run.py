"""All cells of all seeds, several at a time; what was done before is not done again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from adversary_parts.cells import Cell
from adversary_parts.one_cell import measure
from adversary_parts.worlds import Seed, Size


def measure_all(
    folder: Path, seeds: list[int], cells: list[Cell], size: Size, *, honest_loss: float, jobs: int
) -> Iterator[dict[str, Any]]:
    """The figures of every cell, as they come; cells of a seed follow its preparation.

    Args:
        folder: Keeps what is done, under one folder a seed; a later call goes on there.
        seeds: Of the worlds.
        cells: Of each seed.
        size: Of each world.
        honest_loss: The filter's dial.
        jobs: Processes.
    """
    with (
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
        tqdm(total=len(seeds) * (len(cells) + 1), desc="adversary", disable=None, unit="world") as bar,
    ):
        preparing = {pool.submit(_prepare, Seed(seed, folder / f"seed-{seed}", size), cells): seed for seed in seeds}
        measuring: set[Future[dict[str, Any]]] = set()
        while preparing or measuring:
            pending: list[Future[Any]] = [*preparing, *measuring]
            done, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                bar.update()
                if future in preparing:
                    future.result()
                    seed = Seed(preparing.pop(future), folder / f"seed-{future.result()}", size)
                    measuring |= {pool.submit(measure, seed, cell, honest_loss=honest_loss) for cell in cells}
                else:
                    measuring.discard(future)
                    yield future.result()


def _prepare(seed: Seed, cells: list[Cell]) -> int:
    seed.prepare(cells)
    return seed.number
