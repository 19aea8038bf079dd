"""What a trainer asks of the machinery under it, and the plain answer: torch, one process, one device.

A policy and a reward model train through the same few calls. `training.engine.zero` answers them with DeepSpeed, for
models that one device cannot hold or one process cannot feed.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from streams.whole_file import whole
from training.disk import kept
from training.engine.schedule import Course, Schedule, policy_course

Made = TypeVar("Made")
Part = TypeVar("Part")
STATE = "state.pt"


class Engine(Protocol):
    """Trains one model, on one rank or on many.

    Attributes:
        model: What is called for a forward pass.
        device: Where its inputs belong.
        rank: This process's number, from 0.
        ranks: How many processes train the model together.
    """

    model: Any
    device: torch.device
    rank: int
    ranks: int

    def begin(self, steps: int, rate: float) -> None:
        """Start an epoch of so many steps: the learning rate rises to `rate`, then falls along a cosine."""

    def backward(self, loss: torch.Tensor, *, last: bool = True) -> None:
        """Add a loss's gradient. The gradients of all ranks add up; `last` says that `step` comes next.

        Every rank must call it equally often; `dealt` sees to that.
        """

    def step(self) -> None:
        """Clip the gradient to norm 1, move the weights, forget the gradient."""

    def shared(self, make: Callable[[], Made]) -> Made:
        """What rank 0 makes, on every rank."""

    def total(self, value: float) -> float:
        """The sum of all ranks' values, on every rank."""

    def whole(self) -> AbstractContextManager[Any]:
        """The model with all of its weights, in evaluation mode: rank 0 may read, copy and call it, not change it."""

    def save(self, directory: Path, progress: Mapping[str, Any]) -> None:
        """Keep weights, optimiser, schedule and chance, and the trainer's own `progress`; whole, or not at all."""

    def load(self, directory: Path) -> dict[str, Any] | None:
        """Go back to what `save` kept, and return its `progress`; None, and nothing moved, where nothing was kept.

        A state that is damaged is dropped and told: it is as if nothing had been kept.
        """


def dealt(parts: Sequence[Part], engine: Engine) -> list[tuple[Part, float]]:
    """This rank's parts of a step, as many on every rank, each with the factor of its loss.

    Where parts run short a rank gets the first one once more with factor 0: every rank passes forward and backward
    equally often, as sharded weights ask, and the sum of gradients stays what it is.

    Args:
        parts: All parts of the step, the same on every rank.
        engine: Knows which rank this is.
    """
    rounds = -(-len(parts) // engine.ranks)
    mine = [index * engine.ranks + engine.rank for index in range(rounds)]
    return [(parts[place], 1.0) if place < len(parts) else (parts[0], 0.0) for place in mine]


class OneProcess:
    """The default engine: AdamW in this process.

    Args:
        model: Already on its device; what requires no gradient is neither trained nor kept.
        weight_decay: Of AdamW.
        betas: Of AdamW.
        course: How the learning rate moves between `begin` and the last step.
        fused: Take AdamW's fused kernel: faster, other rounding.

    Raises:
        ValueError: What is to be trained is not float32: small steps would round away.
    """

    rank = 0
    ranks = 1

    def __init__(
        self,
        model: Any,
        *,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.95),
        course: Course = policy_course,
        fused: bool = False,
    ) -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self._free = [each for each in model.parameters() if each.requires_grad]
        _check_precision(model)
        self._optimiser = torch.optim.AdamW(self._free, lr=0.0, betas=betas, weight_decay=weight_decay, fused=fused)
        self._schedule = Schedule(course)

    def begin(self, steps: int, rate: float) -> None:
        """Start an epoch of so many steps."""
        self._schedule = Schedule(self._schedule.course, steps, rate)

    def backward(self, loss: torch.Tensor, *, last: bool = True) -> None:  # noqa: ARG002
        """Add a loss's gradient."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Clip the gradient to norm 1, move the weights, forget the gradient."""
        self._schedule.tick(self._optimiser)
        torch.nn.utils.clip_grad_norm_(self._free, 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)

    def shared(self, make: Callable[[], Made]) -> Made:
        """What `make` makes."""
        return make()

    def total(self, value: float) -> float:
        """The value."""
        return value

    @contextmanager
    def whole(self) -> Iterator[Any]:
        """The model, in evaluation mode."""
        yield self.model.eval()

    def save(self, directory: Path, progress: Mapping[str, Any]) -> None:
        """Write the state beside its final name, then rename it: it is there whole, or the previous one is.

        Raises:
            OSError: It could not be written, on a full disk for instance; the previous state is still there.
        """
        content = {
            "weights": {name: each.detach() for name, each in trained(self.model).items()},
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state(),
            "chance": chance(self.device),
            "progress": dict(progress),
        }
        with whole(directory / STATE) as part:
            write(content, part)

    def load(self, directory: Path) -> dict[str, Any] | None:
        """Bring model, optimiser, schedule and chance to where `save` found them."""
        content = kept(directory / STATE, read_state, "the state")
        if content is None:
            return None
        with torch.no_grad():
            for name, each in trained(self.model).items():
                each.copy_(content["weights"][name])
        self._schedule = Schedule(self._schedule.course, *content["schedule"])
        self._optimiser.load_state_dict(content["optimiser"])
        take_up(content["chance"])
        progress: dict[str, Any] = content["progress"]
        return progress


def trained(model: Any) -> dict[str, torch.Tensor]:
    """The weights that move, by name."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def chance(device: torch.device) -> list[torch.Tensor]:
    """The state of torch's random generators: the processor's, then the GPUs'."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if device.type == "cuda" else [])]


def take_up(states: Sequence[torch.Tensor]) -> None:
    """Bring torch's random generators to where `chance` found them."""
    torch.set_rng_state(states[0])
    if states[1:]:
        torch.cuda.set_rng_state_all(list(states[1:]))


def write(content: Any, file: Path) -> None:
    """Write what `torch.load` reads, wholly on disk when this returns; nothing is left of it when that fails.

    Raises:
        OSError: What went wrong, the room that there is, and what to do.
    """
    try:
        with file.open("wb") as opened:
            torch.save(content, opened)
            opened.flush()
            os.fsync(opened.fileno())
    except (OSError, RuntimeError) as error:  # torch's writer hides a full disk in a RuntimeError
        file.unlink(missing_ok=True)
        free = shutil.disk_usage(file.parent).free / 2**30
        raise OSError(
            f"{file} could not be written ({error}); {free:.2f} GiB are free there. The state before it is whole: make "
            "room, then run the same command again and it goes on from there"
        ) from error


def read_state(file: Path) -> Any:
    """What `write` wrote, as it lies in memory."""
    return torch.load(file, weights_only=True, map_location="cpu")


def _check_precision(model: Any) -> None:
    for name, each in trained(model).items():
        if each.dtype != torch.float32:
            raise ValueError(
                f"{name} is {each.dtype} and to be trained: in plain torch its steps would round away. Place the model "
                "with training.engine.placement.place (float32, or LoRA), or take engine deepspeed"
            )
