"""What training will take of each device's memory, said before the start; and what to lower when it was not enough."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from training.engine.config import EngineConfig

_BYTES = {"float32": 4, "bfloat16": 2}


class MemoryShortError(OSError):
    """A device's memory ran out; the message says what was planned and what to lower."""


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What the plan needs to know of a model.

    Attributes:
        parameters: All numbers.
        trained: Those that move.
        hidden: Width.
        inner: Width inside the feed-forward part.
        keys: Width of all keys together (as wide as the model without grouped queries).
        layers: How many.
        vocabulary: Columns of the logits; 1 for a reward model.
    """

    parameters: int
    trained: int
    hidden: int
    inner: int
    keys: int
    layers: int
    vocabulary: int

    @classmethod
    def of(cls, model: Any) -> "ModelSize":
        """The size of a model that is placed for training."""
        shape = model.config
        heads = shape.num_attention_heads
        grouped = getattr(shape, "num_key_value_heads", None) or heads
        inside = model.get_base_model() if hasattr(model, "get_base_model") else model
        return cls(
            parameters=sum(each.numel() for each in model.parameters()),
            trained=sum(each.numel() for each in model.parameters() if each.requires_grad),
            hidden=shape.hidden_size,
            inner=getattr(shape, "intermediate_size", None) or 4 * shape.hidden_size,
            keys=shape.hidden_size * grouped // heads,
            layers=shape.num_hidden_layers,
            vocabulary=1 if "SequenceClassification" in type(inside).__name__ else shape.vocab_size,
        )

    def with_adapter(self, rank: int) -> "ModelSize":
        """The same model frozen, with matrices of this rank beside every linear layer of its blocks."""
        h, f, k = self.hidden, self.inner, self.keys
        per_layer = rank * (2 * (h + h) + 2 * (h + k) + 3 * (h + f))
        return replace(self, parameters=self.parameters + self.layers * per_layer, trained=self.layers * per_layer)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes on each rank's device.

    Attributes:
        weights: In the precision of forward and backward.
        gradients: As they add up.
        optimiser: AdamW's two moments and, under DeepSpeed, the float32 copy of the weights.
        step: What comes for a moment: float32 gradients under DeepSpeed; under ZeRO-3 the whole weights at saving.
        activations: Of one forward and backward pass of `tokens` tokens, an estimate.
        host: Memory of the whole machine while the ranks read the model.
        beside: Of models that are only read (reference, reward models), which rank 0 alone holds.
    """

    weights: float
    gradients: float
    optimiser: float
    step: float
    activations: float
    host: float
    beside: float = 0.0

    @property
    def total(self) -> float:
        """What rank 0's device must hold at its fullest: the step comes after the activations are gone."""
        return self.weights + self.gradients + self.optimiser + max(self.step, self.activations) + self.beside

    def lines(self, config: EngineConfig, room: float) -> list[str]:
        """The plan as it is printed.

        Args:
            config: What it was made for.
            room: Bytes free on a rank's device.
        """
        stage = f"DeepSpeed ZeRO-{config.zero}" if config.kind == "deepspeed" else "plain torch"
        shape = f"{config.tuning}, {config.dtype}" + (", checkpointing" if config.checkpointing else "")
        rows = [f"memory of each rank ({stage}, {world_of(config)} ranks, {shape}), GiB:"]
        for name in ("weights", "gradients", "optimiser", "step", "activations"):
            about = " (an estimate)" if name == "activations" else ""
            rows.append(f"  {name:12}{getattr(self, name) / 2**30:9.2f}{about}")
        if self.beside:
            rows.append(f"  {'beside':12}{self.beside / 2**30:9.2f} (rank 0 alone: models that are only read)")
        verdict = "fits" if self.total <= room else f"does NOT fit; {'; '.join(remedies(config))}"
        return [*rows, f"  {'at most':12}{self.total / 2**30:9.2f} of {room / 2**30:.2f} free: {verdict}"]


def world_of(config: EngineConfig) -> int:
    """All ranks on all machines."""
    if config.hostfile is None:
        return config.ranks
    from training.engine.hosts import read_hosts

    return sum(host.slots for host in read_hosts(config.hostfile))


def planned(size: ModelSize, config: EngineConfig) -> MemoryPlan:
    """The memory plan of a training.

    With P parameters of b bytes, T trained ones, N ranks and ZeRO stage z, each rank holds b P weights (z = 3: / N),
    b T gradients (z >= 2: / N), and under DeepSpeed 12 T bytes of float32 weights and moments (z >= 1: / N); plain
    torch needs 4 T and 8 T. See Rajbhandari et al., *ZeRO*, arXiv 1910.02054, section 3.

    >>> llama = ModelSize(8_030_000_000, 8_030_000_000, 4096, 14_336, 1024, 32, 128_256)
    >>> sharded = EngineConfig(kind="deepspeed", zero=3, ranks=8, dtype="bfloat16", checkpointing=True, tokens=4096)
    >>> round(planned(llama, sharded).optimiser / 1e9, 1)
    12.0

    Args:
        size: The model's.
        config: The engine's dials.
    """
    world, b = world_of(config), _BYTES[config.dtype]
    sharded = config.kind == "deepspeed"
    zero = config.zero if sharded else 0
    weights = b * size.parameters / (world if zero == 3 else 1)
    trained = b if sharded else 4
    if not sharded and config.dtype == "bfloat16":
        weights += (4 - b) * size.trained
    moments = 8 if zero == 0 else 12
    step = 4 * size.trained / world if zero >= 1 else 0.0
    return MemoryPlan(
        weights=weights,
        gradients=trained * size.trained / (world if zero >= 2 else 1),
        optimiser=moments * size.trained / (world if zero >= 1 else 1),
        step=max(step, b * size.parameters) if zero == 3 else step,
        activations=_activations(size, config, b),
        host=b * size.parameters * config.ranks,
    )


def _activations(size: ModelSize, config: EngineConfig, b: int) -> float:
    inside = b * (10 * size.hidden + 4 * size.keys + 4 * size.inner) + 4 * 4 * size.hidden  # norms keep float32
    if config.tuning == "lora":  # beside bfloat16 layers LoRA reads float32 copies of their inputs
        inside += 4 * 7 * config.lora_rank + (4 * (6 * size.hidden + size.inner) if b < 4 else 0)
    layers = size.layers * b * size.hidden + inside if config.checkpointing else size.layers * inside
    return config.tokens * (layers + (b + 12) * size.vocabulary)


def room_of(device: torch.device, ranks: int = 1) -> float:
    """Bytes free for one rank: of its GPU, or its share of the machine's memory."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    import psutil

    return float(psutil.virtual_memory().available) / ranks


def remedies(config: EngineConfig) -> list[str]:
    """What would take less memory, the cheapest first."""
    found = []
    if not config.checkpointing:
        found.append("set checkpointing (activations of one layer at a time)")
    found.append(f"lower tokens below {config.tokens} (the step stays the same, in more passes)")
    if config.dtype == "float32":
        found.append("set dtype = 'bfloat16'")
    if config.tuning == "full":
        found.append("set tuning = 'lora'")
    if config.kind == "torch":
        found.append("take kind = 'deepspeed' with several ranks and zero = 3")
    elif config.zero < 3:
        found.append(f"raise zero above {config.zero}")
    else:
        found.append("take more ranks")
    return found


@contextmanager
def advised(plan: MemoryPlan, config: EngineConfig) -> Iterator[None]:
    """Turn an out-of-memory error within into advice.

    Raises:
        MemoryShortError: Instead of torch's or Python's error.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_memory(error):
            raise
        raise MemoryShortError(
            f"memory ran out ({str(error).splitlines()[0] if str(error) else type(error).__name__}); planned were "
            f"{plan.total / 2**30:.2f} GiB a rank. What helps, the cheapest first: {'; '.join(remedies(config))}"
        ) from error


def _is_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
