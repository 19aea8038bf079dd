"""Where a model's weights lie and in which precision: the one place that decides it, for training and for scoring.

Rules: what is trained moves in float32, or in bfloat16 beside DeepSpeed's float32 copy, never in bfloat16 alone. What
is only read keeps its checkpoint's precision on a GPU; on a processor it becomes float32, where half precision is slow.
"""

import os
from typing import Any, Literal

import torch

from training.engine.config import EngineConfig
from training.engine.products import speed_up

TASKS = {"policy": "CAUSAL_LM", "reward": "SEQ_CLS"}
"""What kind of model it is, as adapters call it."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def device_of(wanted: Literal["auto", "cpu", "cuda"] = "auto") -> torch.device:
    """The device of this process: the GPU of its number on this machine (torchrun's LOCAL_RANK), or the processor.

    Raises:
        ValueError: A GPU is asked for and there is none for this rank.
    """
    rank, have = int(os.environ.get("LOCAL_RANK", "0")), gpus()
    if wanted == "cpu" or (wanted == "auto" and not have):
        return torch.device("cpu")
    if rank >= have:
        raise ValueError(
            f"rank {rank} of this machine wants a GPU of its own, and there are {have}: start at most {have} ranks on "
            "it, or choose device = 'cpu'"
        )
    torch.cuda.set_device(rank)
    return torch.device("cuda", rank)


def gpus() -> int:
    """How many GPUs this machine has for us."""
    return torch.cuda.device_count()


def read_only(model: Any, device: torch.device | None = None) -> Any:
    """Place a model that is scored or sampled from: on its device, in evaluation mode."""
    place = device or device_of()
    dtype = torch.float32 if place.type == "cpu" else None
    return speed_up(model.to(device=place, dtype=dtype)).eval()


def place(model: Any, config: EngineConfig, *, kind: Literal["policy", "reward"] = "policy", seed: int = 0) -> Any:
    """Place a model that is to be trained: device, precision, LoRA or full, checkpointing.

    1. Frozen weights and DeepSpeed's working copy take `config.dtype`, all else float32.
    2. With LoRA every weight freezes, and float32 matrices of rank `lora_rank` come beside each linear layer; a reward
       model's head stays free.
    3. With `checkpointing` layers keep their inputs alone.

    Args:
        model: As it was read, on any device.
        config: The engine's dials.
        kind: Whether it speaks or scores.
        seed: Of LoRA's initial matrices.

    Returns:
        The model to train, in training mode; with LoRA peft's wrapper of it.
    """
    model = model.to(device=device_of(config.device), dtype=_DTYPES[config.dtype])
    if config.kind == "torch":  # DeepSpeed gathers weights around plain layers
        speed_up(model)
    if config.tuning == "lora":
        model = _with_adapter(model, config, kind, seed)
    if config.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model.train()


def _with_adapter(model: Any, config: EngineConfig, kind: str, seed: int) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    rank = config.lora_rank
    shape = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type=TASKS[kind], lora_dropout=0.0)
    return get_peft_model(model, shape)
