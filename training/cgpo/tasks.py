"""What a policy is optimised for: tasks, each with prompts of its own, a reward model and a weight."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from training.cgpo.config import CgpoConfig
from training.text import Conversation


class TaskReward(Protocol):
    """Scores pairs of conversation and response with a logit; only differences on one prompt matter."""

    def logits(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> np.ndarray:
        """Float64 [pairs]."""


@dataclass(frozen=True)
class Task:
    """One objective.

    Attributes:
        name: `helpfulness`, `safety`, `love`, ...
        prompts: Its own conversations, each ending with the user's last message.
        reward: Its reward model.
        weight: Of its reward beside the others'; how it is read is `CgpoConfig.weights`. At 0 its reward has no say,
            and the prompts of a mixed task stay, so that it is a matched control: same prompts, winners and steps. Only
            weights against each other count: the weight of a single task changes nothing.
        mixed: Prompts of a mixed task are ranked by the soft AND over all mixed tasks' rewards; those of any other
            task by their own reward alone, which for every task is the letter of the paper.
        reward_version: Names the reward's weights (a fingerprint): scores of the same version are kept and used
            again, and what was learnt under another one is not taken for this one's.
    """

    name: str
    prompts: Sequence[Conversation]
    reward: TaskReward
    weight: float
    mixed: bool = True
    reward_version: str = field(kw_only=True)


def active(tasks: Sequence[Task], config: CgpoConfig) -> list[Task]:
    """The tasks whose prompts are used: those with a weight, and mixed ones without as a matched control.

    Raises:
        ValueError: None has a weight, one is negative or not finite, two share a name, one with a weight has no prompt,
            a reward has no version, or the settings name a task that is not there.
    """
    names = [task.name for task in tasks]
    wrong = [
        f"{task.name}.weight == {task.weight}, must not be negative, and finite"
        for task in tasks
        if not 0 <= task.weight < math.inf
    ]
    wrong += [f"{task.name} has no prompt; give it some, or weight 0" for task in tasks if _lacks_prompts(task)]
    wrong += [
        f"{task.name}.reward_version == {task.reward_version!r}, must name the reward's weights: without it a changed "
        "reward would resume another one's policy"
        for task in tasks
        if not task.reward_version
    ]
    wrong += [
        f"config.tasks names {name!r}, tasks are {names}; mend the name" for name in sorted({*config.tasks} - {*names})
    ]
    if len({*names}) < len(names):
        wrong.append(f"tasks are named {names}, each name may occur once")
    if not any(task.weight > 0 for task in tasks):
        wrong.append("no task has a weight above 0; there is nothing to optimise for; raise one, or add a task")
    if wrong:
        raise ValueError("; ".join(wrong))
    return [task for task in tasks if task.prompts and (task.weight > 0 or _is_control(task, tasks, config))]


def ranked_by(task: Task, tasks: Sequence[Task], config: CgpoConfig) -> list[Task]:
    """The tasks whose rewards rank the prompts of `task`."""
    if config.weights == "mixed" and task.mixed:
        return [each for each in tasks if each.mixed and each.weight > 0]
    return [task]


def gradient_weights(tasks: Sequence[Task], config: CgpoConfig) -> dict[str, float]:
    """CGPO's rho of each task, the share of its prompts in the gradient.

    Read as `per_task`, rho is the task's weight. Read as `mixed`, mixed tasks have one reward in common and share the
    sum of their weights by their prompts: at whatever weights, their prompts count alike. `config.tasks` goes before.
    """
    mixed = [task for task in tasks if task.mixed] if config.weights == "mixed" else []
    pooled, prompts = sum(task.weight for task in mixed), sum(len(task.prompts) for task in mixed)
    found = {}
    for task in tasks:
        own = config.tasks[task.name].weight if task.name in config.tasks else None
        derived = pooled * len(task.prompts) / prompts if task in mixed else task.weight
        found[task.name] = derived if own is None else own
    return found


def prompts_of(task: Task, number: int, config: CgpoConfig) -> range:
    """The places of a task's prompts that a round takes; no round takes another's.

    >>> few = Task("love", [[{"role": "user", "content": "hi"}]] * 5, None, 1.0, reward_version="1")
    >>> [[*prompts_of(few, number, CgpoConfig(rounds=2, prompts=500))] for number in (0, 1)]
    [[0, 1], [2, 3, 4]]
    """
    count = min(len(task.prompts), config.rounds * config.prompts)
    return range(number * count // config.rounds, (number + 1) * count // config.rounds)


def _lacks_prompts(task: Task) -> bool:
    return task.weight > 0 and not task.prompts


def _is_control(task: Task, tasks: Sequence[Task], config: CgpoConfig) -> bool:
    if not task.mixed:
        return False
    return config.weights == "per_task" or any(each.mixed and each.weight > 0 for each in tasks)
