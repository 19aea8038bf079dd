"""From a placed model to the engine that a recipe asks for."""

from typing import Any

from training.engine.config import EngineConfig
from training.engine.engine import Engine, OneProcess
from training.engine.schedule import Course, policy_course


def start(
    model: Any,
    config: EngineConfig,
    *,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.95),
    course: Course = policy_course,
    fused: bool = False,
) -> Engine:
    """The engine of `config` around a model that `training.engine.placement.place` placed.

    Args:
        model: What requires a gradient is trained.
        config: The engine's dials.
        weight_decay: Of AdamW.
        betas: Of AdamW.
        course: How the learning rate moves.
        fused: AdamW's fused kernel, in plain torch.

    Raises:
        ValueError: DeepSpeed without torchrun, or with other ranks than it started.
        ModuleNotFoundError: DeepSpeed is asked for and not installed.
    """
    if config.kind == "torch":
        return OneProcess(model, weight_decay=weight_decay, betas=betas, course=course, fused=fused)
    from training.engine.zero import Zero

    return Zero(model, config, weight_decay=weight_decay, betas=betas, course=course)
