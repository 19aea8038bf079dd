"""What a trainer asks of the machinery under it, and the plain answer: torch, one process, one device.

A policy and a reward model train through the same few calls. `training.engine.zero` answers them with DeepSpeed, for
models that one device cannot hold or one process cannot feed.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from training.policy.schedule import warmup_then_cosine

Made = TypeVar("Made")
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
        """Add a loss's gradient. The gradients of all ranks add up; `last` says that `step` comes next."""

    def step(self) -> None:
        """Clip the gradient to norm 1, move the weights, forget the gradient."""

    def shared(self, make: Callable[[], Made]) -> Made:
        """What rank 0 makes, on every rank."""

    def whole(self) -> AbstractContextManager[Any]:
        """The model with all of its weights readable on rank 0, in evaluation mode; it must not be changed."""

    def save(self, directory: Path, progress: Mapping[str, Any]) -> None:
        """Keep weights, optimiser, schedule and chance, and the trainer's own `progress`; whole, or not at all."""

    def load(self, directory: Path) -> dict[str, Any] | None:
        """Go back to what `save` kept, and return its `progress`; None, and nothing moved, where nothing was kept."""


class OneProcess:
    """The default engine: AdamW in this process.

    Args:
        model: Already on its device; what requires no gradient is neither trained nor kept.
        weight_decay: Of AdamW.
        betas: Of AdamW.
    """

    rank = 0
    ranks = 1

    def __init__(self, model: Any, *, weight_decay: float = 0.0, betas: tuple[float, float] = (0.9, 0.95)) -> None:
        self.model, self.device = model, next(model.parameters()).device
        self._free = [each for each in model.parameters() if each.requires_grad]
        self._optimiser = torch.optim.AdamW(self._free, lr=0.0, betas=betas, weight_decay=weight_decay)
        self._schedule: torch.optim.lr_scheduler.LambdaLR | None = None
        self._course = (0, 0.0)

    def begin(self, steps: int, rate: float) -> None:
        """Start an epoch of so many steps."""
        for group in self._optimiser.param_groups:
            group["lr"] = group["initial_lr"] = rate
        self._schedule, self._course = warmup_then_cosine(self._optimiser, steps), (steps, rate)

    def backward(self, loss: torch.Tensor, *, last: bool = True) -> None:  # noqa: ARG002
        """Add a loss's gradient."""
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self) -> None:
        """Clip the gradient to norm 1, move the weights, forget the gradient."""
        torch.nn.utils.clip_grad_norm_(self._free, 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        if self._schedule is not None:
            self._schedule.step()

    def shared(self, make: Callable[[], Made]) -> Made:
        """What `make` makes."""
        return make()

    @contextmanager
    def whole(self) -> Iterator[Any]:
        """The model, in evaluation mode."""
        yield self.model.eval()

    def save(self, directory: Path, progress: Mapping[str, Any]) -> None:
        """Write the state beside its final name, then rename it: it is there whole, or the previous one is."""
        directory.mkdir(parents=True, exist_ok=True)
        content = {
            "weights": {name: each.detach() for name, each in self._trained().items()},
            "optimiser": self._optimiser.state_dict(),
            "course": self._course,
            "schedule": self._schedule.state_dict() if self._schedule else None,
            "chance": torch.get_rng_state(),
            "device_chance": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "progress": dict(progress),
        }
        part = directory / f"{STATE}.part"
        torch.save(content, part)
        part.replace(directory / STATE)

    def load(self, directory: Path) -> dict[str, Any] | None:
        """Bring model, optimiser, schedule and chance to where `save` found them."""
        file = directory / STATE
        if not file.exists():
            return None
        content = torch.load(file, weights_only=True, map_location="cpu")
        with torch.no_grad():
            for name, each in self._trained().items():
                each.copy_(content["weights"][name])
        if content["schedule"] is not None:
            self.begin(*content["course"])
            assert self._schedule is not None
            self._schedule.load_state_dict(content["schedule"])
        self._optimiser.load_state_dict(content["optimiser"])
        torch.set_rng_state(content["chance"])
        if content["device_chance"]:
            torch.cuda.set_rng_state_all(content["device_chance"])
        progress: dict[str, Any] = content["progress"]
        return progress

    def _trained(self) -> dict[str, torch.Tensor]:
        return {name: each for name, each in self.model.named_parameters() if each.requires_grad}
