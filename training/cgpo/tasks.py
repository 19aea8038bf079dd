"""What a policy is optimised for: tasks, each with prompts of its own, a reward model and a weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from training.text import Conversation


class Reward(Protocol):
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
        weight: CGPO's rho: the share of its prompts' gradient, and, where it is mixed, its exponent in the soft AND.
            At 0 the task's prompts and reward are left out. Only weights against each other count: the weight of a
            single task changes nothing.
        mixed: Prompts of a mixed task are ranked by the soft AND over all mixed tasks' rewards; those of any other
            task by their own reward alone, which for every task is the letter of the paper.
        reward_version: Names the reward's weights (a fingerprint); with it, scores are kept and used again.
    """

    name: str
    prompts: Sequence[Conversation]
    reward: Reward
    weight: float
    mixed: bool = True
    reward_version: str | None = None


def active(tasks: Sequence[Task]) -> list[Task]:
    """The tasks with a weight.

    Raises:
        ValueError: None has one, a weight is negative, two share a name, or one with a weight has no prompt.
    """
    kept = [task for task in tasks if task.weight > 0]
    wrong = [f"{task.name}.weight == {task.weight}, must not be negative" for task in tasks if task.weight < 0]
    wrong += [f"{task.name} has no prompt; give it some, or weight 0" for task in kept if not task.prompts]
    if len({task.name for task in tasks}) < len(tasks):
        wrong.append(f"tasks are named {[task.name for task in tasks]}, each name may occur once")
    if not kept:
        wrong.append("no task has a weight above 0; there is nothing to optimise for; raise one, or add a task")
    if wrong:
        raise ValueError("; ".join(wrong))
    return kept


def ranked_by(task: Task, tasks: Sequence[Task]) -> list[Task]:
    """The tasks whose rewards rank the prompts of `task`."""
    return [each for each in tasks if each.mixed] if task.mixed else [task]
