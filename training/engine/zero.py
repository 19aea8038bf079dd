"""The engine over DeepSpeed: ZeRO-0 to 3, one or many ranks, on processors by gloo, on GPUs by nccl.

DeepSpeed is called directly. What was found about it: torch's own AdamW runs under all stages where
`zero_force_ds_cpu_optimizer` is off; ranks' gradients are averaged, so that losses are scaled up by the ranks; with the
boundary of accumulation set by hand, steps may have different numbers of backward passes. Left out: offloading to the
processor's memory or to disk, fp16 with its loss scaling, tensor and pipeline parallelism.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch

from training.engine import state_folder
from training.engine.config import EngineConfig
from training.engine.engine import chance, take_up, trained, write
from training.engine.schedule import Course, Schedule, policy_course
from training.engine.shared_weights import lend, without_weights

Made = TypeVar("Made")
_TIMEOUT = timedelta(hours=6)
"""Of a step's exchange of gradients and weights, in which all ranks work alike."""
_PATIENCE = timedelta(days=7)
"""Of the ranks' talk: so long they wait for one that works alone. A dead one ends them at once: torchrun watches."""


class Zero:
    """DeepSpeed under torchrun: every rank makes one of these and calls the same methods in the same order.

    Args:
        model: As `place` left it, the same on every rank.
        config: Stage, ranks, precision.
        weight_decay: Of AdamW.
        betas: Of AdamW.
        course: How the learning rate moves between `begin` and the last step.

    Raises:
        ValueError: This process was not started by torchrun.
        ModuleNotFoundError: DeepSpeed is not installed.
    """

    def __init__(
        self,
        model: Any,
        config: EngineConfig,
        *,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.95),
        course: Course = policy_course,
    ) -> None:
        self.device = next(model.parameters()).device
        deepspeed = join(self.device)
        self.config = config
        self._schedule = Schedule(course)
        # Groups are made by all ranks together and in one order: before anything in which only some of them take part.
        self._talk = _group()
        # The empty copy is made before `initialize`, which cuts the weights into shards and hangs hooks on the layers.
        self._plain = without_weights(model) if config.zero == 3 else None
        free = list(trained(model).values())
        optimiser = torch.optim.AdamW(free, lr=0.0, betas=betas, weight_decay=weight_decay)
        self.model, *_ = deepspeed.initialize(model=model, optimizer=optimiser, config=settings(config))
        self.rank = torch.distributed.get_rank()
        self.ranks = torch.distributed.get_world_size()

    def begin(self, steps: int, rate: float) -> None:
        """Start an epoch of so many steps."""
        self._schedule = Schedule(self._schedule.course, steps, rate)

    def backward(self, loss: torch.Tensor, *, last: bool = True) -> None:
        """Add a loss's gradient; the ranks' gradients add up, since DeepSpeed's mean is scaled back to a sum."""
        # Before `backward`, which reduces the gradients among the ranks while it computes those of the last pass.
        self.model.set_gradient_accumulation_boundary(last)
        self.model.backward(loss * self.ranks)

    def step(self) -> None:
        """Clip the gradient to norm 1, move the weights, forget the gradient."""
        self._schedule.tick(self.model.optimizer)
        self.model.step()

    def shared(self, make: Callable[[], Made]) -> Made:
        """What rank 0 makes, on every rank; where it fails there, every rank raises."""
        handed: list[Any] = [None, None]
        if self.rank == 0:
            try:
                handed[0] = make()
            except Exception as error:
                handed[1] = error
        torch.distributed.broadcast_object_list(handed, src=0, group=self._talk)
        if handed[1] is not None:
            raise handed[1]
        made: Made = handed[0]
        return made

    def total(self, value: float) -> float:
        """The sum of all ranks' values."""
        summed = torch.tensor(value, dtype=torch.float64)
        torch.distributed.all_reduce(summed, group=self._talk)
        return float(summed)

    @contextmanager
    def whole(self) -> Iterator[Any]:
        """The model with its weights gathered, in evaluation mode; every rank must enter.

        Rank 0 may call it alone. Under stage 3 DeepSpeed hooks gathering onto the model's own layers, which would wait
        for the other ranks: so a plain model of the same shape borrows the gathered weights.
        """
        import deepspeed

        module = self.model.module.eval()
        if self._plain is None:
            yield module
        else:
            with deepspeed.zero.GatheredParameters(list(module.parameters())):
                lend(module, self._plain)
                try:
                    yield self._plain.eval()
                finally:
                    lend(module, self._plain, device="meta")
        # Nobody goes on to train while rank 0 still reads: the next step would move the weights under it.
        torch.distributed.barrier(group=self._talk)

    def save(self, directory: Path, progress: Mapping[str, Any]) -> None:
        """Keep the state whole, or not at all.

        1. Each rank writes its shard into a new folder; nothing waits while a file is written.
        2. All ranks tell each other whether that worked. If it did not, the new folder goes, and all of them raise.
        3. Rank 0 names the new folder in `latest`, in one rename, and drops the one before.

        Raises:
            OSError: A rank could not write, on a full disk for instance; the previous state is still there.
        """
        name = self.shared(lambda: state_folder.next_name(directory))
        fresh = directory / name
        problems = [each for each in self._told(self._write_shard(fresh, progress)) if each]
        if problems:
            self.shared(lambda: shutil.rmtree(fresh, ignore_errors=True))
            raise OSError(problems[0])
        self.shared(lambda: state_folder.publish(directory, name))

    def load(self, directory: Path) -> dict[str, Any] | None:
        """Bring weights, optimiser, schedule and chance to where `save` found them.

        Raises:
            ValueError: The state was kept by another number of ranks, another stage or precision.
        """
        named = self.shared(lambda: state_folder.read_name(directory))
        if named is None:
            return None
        place = directory / named
        content, problem = state_folder.read_shard(place / f"rank-{self.rank}.pt")
        problems = [each for each in self._told(problem) if each]
        if problems:
            self.shared(lambda: state_folder.forget(directory, problems[0]))
            return None
        self._check_layout(content["layout"], place)
        self._put_back(content)
        self._schedule = Schedule(self._schedule.course, *content["schedule"])
        take_up(content["chance"])
        progress: dict[str, Any] = content["progress"]
        return progress

    def _write_shard(self, place: Path, progress: Mapping[str, Any]) -> str | None:
        alone = self.rank > 0 and self.config.zero == 0
        content = {
            "layout": self._layout(),
            "weights": {} if self.config.zero == 3 or self.rank > 0 else trained(self.model.module),
            "optimiser": None if alone else self.model.optimizer.state_dict(),
            "schedule": self._schedule.state(),
            "chance": chance(self.device),
            "progress": dict(progress),
        }
        try:
            place.mkdir(parents=True, exist_ok=True)
            write(_plain(content), place / f"rank-{self.rank}.pt")
        except Exception as error:  # whatever it is, the other ranks must hear of it: they wait
            return f"rank {self.rank}: {error}"
        return None

    def _put_back(self, content: Mapping[str, Any]) -> None:
        optimiser = self.model.optimizer
        if self.config.zero == 3:
            # Between the two nothing is left gathered: shards are what the state holds.
            optimiser.checkpoint_event_prologue()
        else:
            for name, each in trained(self.model.module).items():
                self._copy_from_first(each, content["weights"].get(name))
        if self.config.zero == 0:
            # Without ZeRO all ranks hold the same state, which rank 0 alone has kept.
            optimiser.load_state_dict(self.shared(lambda: content["optimiser"]))
        else:
            # DeepSpeed takes all ranks' states as a list and reads this rank's place of it.
            optimiser.load_state_dict([None] * self.rank + [content["optimiser"]], load_from_fp32_weights=True)
        if self.config.zero == 3:
            optimiser.checkpoint_event_epilogue()

    def _copy_from_first(self, weight: torch.Tensor, kept: torch.Tensor | None) -> None:
        with torch.no_grad():
            if kept is not None:
                weight.copy_(kept)
            torch.distributed.broadcast(weight, src=0)

    def _layout(self) -> dict[str, Any]:
        return {"ranks": self.ranks, "zero": self.config.zero, "dtype": self.config.dtype}

    def _check_layout(self, kept: Mapping[str, Any], place: Path) -> None:
        if kept != self._layout():
            seen, now = (", ".join(f"{key} {value}" for key, value in each.items()) for each in (kept, self._layout()))
            raise ValueError(f"{place} was kept with {seen}; this is {now}: go on with the former, or remove it")

    def _told(self, problem: str | None) -> list[str | None]:
        found: list[str | None] = [None] * self.ranks
        torch.distributed.all_gather_object(found, problem, group=self._talk)
        return found


def join(device: torch.device) -> Any:
    """Meet the other ranks that torchrun started, and return the deepspeed module.

    Raises:
        ValueError: This process was not started by torchrun.
        ModuleNotFoundError: DeepSpeed is not installed.
    """
    if "RANK" not in os.environ:
        raise ValueError(
            "engine deepspeed runs under torchrun, and this process has no RANK: start it with `loveloop train`, or "
            "with `torchrun --nproc-per-node RANKS -m assets train ...`"
        )
    os.environ.setdefault("LOCAL_SIZE", os.environ.get("LOCAL_WORLD_SIZE", "1"))
    os.environ.setdefault("DS_ACCELERATOR", device.type)
    try:
        import deepspeed
    except ModuleNotFoundError as error:
        rule = "DeepSpeed comes with an extra: DS_BUILD_OPS=0 pip install --no-build-isolation 'loveloop[deepspeed]'"
        raise ModuleNotFoundError(f"{error}; {rule}") from None
    deepspeed.utils.logging.set_log_level_from_string("warning")
    if device.type == "cpu":
        deepspeed.ops.__compatible_ops__ = {}  # its own op for processors wants a compiler, and training never calls it
    if not torch.distributed.is_initialized():
        deepspeed.init_distributed(
            dist_backend="nccl" if device.type == "cuda" else "gloo", verbose=False, timeout=_TIMEOUT
        )
    return deepspeed


@cache
def _group() -> Any:
    """The ranks' group for words rather than gradients: by gloo, so that who waits keeps no GPU busy."""
    return torch.distributed.new_group(backend="gloo", timeout=_PATIENCE)


def settings(config: EngineConfig) -> dict[str, Any]:
    """What DeepSpeed is told; steps, accumulation and rates stay in our hands."""
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": 1.0,
        "bf16": {"enabled": config.dtype == "bfloat16"},
        "zero_optimization": {"stage": config.zero},
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": None,
    }


def _plain(content: Any) -> Any:
    """The same content with bare tensors: DeepSpeed hangs process groups on its parameters, which no file can hold."""
    if isinstance(content, torch.Tensor):
        return content.detach().cpu().clone()
    if isinstance(content, dict):
        return {key: _plain(each) for key, each in content.items()}
    return [_plain(each) for each in content] if isinstance(content, list) else content
