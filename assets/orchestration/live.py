"""A training that goes on, in the page of the run that does it: its figures as they come, and their curves so far."""

import time
from collections.abc import Callable
from typing import Any

import dagster as dg

from assets.orchestration import words
from assets.orchestration.metadata import embedded, number
from assets.report.curves_plot import Point, curves
from training.progress import Advance

REDRAWN = 15.0
"""Least seconds between two pictures of the curves, but for one at each end; a picture takes a quarter of a second."""


class Live:
    """Tells a step's progress as observations of its asset: the run's page shows each at once, the asset's page too.

    Args:
        context: Of the step.
        stage: What it performs.
        clock: Seconds that go on.
    """

    def __init__(
        self, context: dg.AssetExecutionContext, stage: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context, self._stage, self._clock = context, stage, clock
        self._began, self._drawn = clock(), clock()
        self._series: dict[str, list[Point]] = {}

    def __call__(self, advance: Advance) -> None:
        """Tell how far it is; with the curves at the end of everything, and now and then between."""
        now = self._clock()
        for name, value in advance.figures.items():
            self._series.setdefault(name, []).append(Point((now - self._began) / 60, value, advance.what))
        shown: dict[str, Any] = {"now": f"{advance.what}, step {advance.step:,} of {advance.of:,}"}
        if self._series and (advance.step == advance.of or now - self._drawn > REDRAWN):
            self._drawn = now
            shown["curves"] = embedded("curves", curves(self._series), colours=256)
        shown |= {"step": advance.step} | {name: number(value) for name, value in advance.figures.items()}
        self._context.log_event(
            dg.AssetObservation(
                words.asset_name(self._stage),
                partition=words.partition(self._stage),
                description=advance.line,
                metadata=shown,
            )
        )
