"""How far a training is: figures of each step and round, on the terminal and for a follower.

A loop counts its steps by `Trail`. Where it runs under torchrun, rank 0 writes lines, and `relay` tells them on.
"""

import math
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tqdm import tqdm

from training.engine.steps import MARK, Steps


class Advance(NamedTuple):
    """How far something is.

    Attributes:
        what: What is done: `love-0.3, round 1 of 2: learning`.
        step: Done, from 1.
        of: All steps; the last one ends it.
        figures: What was measured, by name. The last word of a name says of which kind it is: `loss`, `love reward`.
    """

    what: str
    step: int
    of: int
    figures: Mapping[str, float]

    @property
    def line(self) -> str:
        """In words, as ranks write it."""
        told = [f"{name} {value:.4g}" for name, value in self.figures.items()]
        return ", ".join([f"{self.what}: step {self.step:,} of {self.of:,}", *told])


Follow = Callable[[Advance], object]
_LINE = re.compile(r"(?P<what>.+): step (?P<step>[\d,]+) of (?P<of>[\d,]+), (?P<rest>.*)")
_FIGURE = re.compile(r"(?P<name>[a-z_][\w ]*) (?P<value>-?(?:\d[\d.]*(?:e[+-]?\d+)?|nan|inf))")


def nobody(_: Advance) -> None:
    """Follows nothing."""


class Sparsely:
    """Passes on the first and the last step of everything, and between them at most one each pause.

    Args:
        follow: Told what is passed on.
        pause: Seconds.
        clock: Seconds that go on.
    """

    def __init__(self, follow: Follow, pause: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._follow = follow
        self._pause = pause
        self._clock = clock
        self._what = ""
        self._told = -math.inf

    def __call__(self, advance: Advance) -> None:
        """Pass it on, or not."""
        now = self._clock()
        if advance.what == self._what and advance.step < advance.of and now - self._told < self._pause:
            return
        self._what = advance.what
        self._told = now
        self._follow(advance)


class Trail(Steps):
    """Counts steps on the terminal, as `Steps` does, and tells a follower; a context. Under torchrun its lines tell.

    Args:
        total: All steps, those of an earlier run included.
        done: Steps of that earlier run.
        title: What is trained.
        rank: Rank 0 alone reports.
        follow: Told each step.
    """

    def __init__(self, total: int, *, done: int, title: str, rank: int, follow: Follow = nobody) -> None:
        super().__init__(total, done=done, title=title, rank=rank)
        self._follow = nobody if "RANK" in os.environ else follow

    def ahead(self, loss: float) -> None:
        """One more step, with its loss."""
        super().ahead(loss)
        self._follow(Advance(self.title, self.done, self.total, {"loss": loss}))


def relay(line: str, follow: Follow) -> None:
    """Show what a rank wrote for the user, and tell the figures in it.

    Args:
        line: Of a rank's output; what is not marked stays in the log.
        follow: Told.
    """
    if not line.startswith(MARK):
        return
    said = line.removeprefix(MARK)
    tqdm.write(said)
    advance = read(said)
    if advance:
        follow(advance)


def read(line: str) -> Advance | None:
    """What a line of `Steps` or `Advance.line` says; None for any other.

    >>> read("p_love: training: step 3 of 1,200, loss 0.5123, 2.10 steps/s, 570 s left")
    Advance(what='p_love: training', step=3, of=1200, figures={'loss': 0.5123})
    """
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    figures = {
        each["name"]: float(each["value"]) for part in found["rest"].split(", ") if (each := _FIGURE.fullmatch(part))
    }
    step, of = (int(found[name].replace(",", "")) for name in ("step", "of"))
    return Advance(found["what"], step, of, figures)
