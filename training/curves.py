"""Training curves as TensorBoard reads them: a follower that writes every figure of every step."""

import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from training.progress import Advance


class Curves:
    """Writes what it is told, one folder for each thing that is trained; a context.

    Args:
        directory: Shown by `tensorboard --logdir DIRECTORY`; made when the first figure comes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writers: dict[str, Any] = {}

    def __call__(self, advance: Advance) -> None:
        """Write a step's figures."""
        from tensorboardX import SummaryWriter

        name = re.sub(r"[^\w.=-]+", "-", advance.what).strip("-")
        if name not in self._writers:
            self._writers[name] = SummaryWriter(str(self._directory / name))
        for figure, value in advance.figures.items():
            self._writers[name].add_scalar(figure.replace(" ", "_"), value, advance.step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for writer in self._writers.values():
            writer.close()
