"""The memory that an optimisation takes: the policy's training, and beside it what is only read."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from training.cgpo.tasks import Task
from training.engine.config import EngineConfig
from training.engine.memory import MemoryPlan, ModelSize, planned, room_of
from training.engine.placement import device_of
from training.reward.saved_reward import SavedReward
from training.rollout.policy_source import LocalSpeaker, Speaker


def planned_with(
    model: Any, tasks: Sequence[Task], engine: EngineConfig, speaker: Speaker, tell: Callable[[str], None]
) -> MemoryPlan:
    """Plan and tell the memory of an optimisation: the policy's share on each rank, on rank 0 the models beside it.

    Beside it are the reference, the reward models that are still on disk (one that is open is missing in what is free
    already) and, where this process draws from a policy with an adapter, the merged copy that speaks. Keys and values
    of the responses that are being drawn are not counted.

    Args:
        model: The policy as it was read.
        tasks: With their rewards.
        engine: The dials.
        speaker: Who draws.
        tell: Takes each line.
    """
    device, rewards = device_of(engine.device), [task.reward for task in tasks]
    width = 4 if device.type == "cpu" else model.dtype.itemsize
    size = ModelSize.of(model)
    models = 2 if engine.tuning == "lora" and isinstance(speaker, LocalSpeaker) else 1
    waiting = {each.directory: each.bytes_on(device) for each in rewards if isinstance(each, SavedReward)}
    plan = planned(size.with_adapter(engine.lora_rank) if engine.tuning == "lora" else size, engine)
    plan = replace(plan, beside=width * models * size.parameters + sum(waiting.values()))
    for line in plan.lines(engine, room_of(device, engine.ranks)):
        tell(line)
    return plan
