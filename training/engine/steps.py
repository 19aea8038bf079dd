"""How far a training is: a bar on a terminal; lines of rank 0 under torchrun, whose output is a log."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from tqdm import tqdm

from training.engine.finite_check import finite_loss

MARK = "| "
"""Stands before each line of a rank's output that is meant for the user."""
SAID = "loveloop: "
"""Stands before what a rank failed of."""
_PAUSE = 5.0


def silent(_: str) -> None:
    """Tell nobody."""


def tell_from_first(line: str) -> None:
    """A line for the user through the ranks' log: rank 0 speaks."""
    if os.environ["RANK"] == "0":
        print(f"{MARK}{line}", flush=True)


@contextmanager
def last_words() -> Iterator[None]:
    """Say in one line of the log what this rank fails of, for the message of whoever started it."""
    try:
        yield
    except Exception as error:
        print(f"{SAID}{' '.join(str(error).split()) or type(error).__name__}", flush=True)
        raise


class Steps:
    """Counts steps aloud; a context.

    Args:
        total: All steps, those of an earlier run included.
        done: Steps of that earlier run.
        title: What is trained.
        rank: Rank 0 alone speaks.
    """

    def __init__(self, total: int, *, done: int, title: str, rank: int) -> None:
        self.total = total
        self.done = done
        self.title = title
        self.lines = "RANK" in os.environ and rank == 0
        quiet = True if "RANK" in os.environ else None
        self._bar = tqdm(total=total, initial=done, desc=title, disable=quiet, unit="step", leave=False)
        self._began = time.monotonic()
        self._first = done
        self._spoke = 0.0

    def __enter__(self) -> "Steps":
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the bar."""
        self._bar.close()

    def ahead(self, loss: float) -> None:
        """One more step, with its loss.

        Raises:
            NotFiniteError: The loss is NaN or infinite: whoever counts here goes no step further.
        """
        self.done += 1
        finite_loss(loss, self.done, self.total)
        self._bar.update(1)
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        now = time.monotonic()
        if self.lines and (now - self._spoke > _PAUSE or self.done == self.total):
            self._spoke = now
            pace = (self.done - self._first) / max(now - self._began, 1e-9)
            left = (self.total - self.done) / pace
            told = f"loss {loss:.4f}, {pace:.2f} steps/s, {left:.0f} s left"
            print(f"{MARK}{self.title}: step {self.done} of {self.total}, {told}", flush=True)
