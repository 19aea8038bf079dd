"""The learning rate: its height for a policy, and its course of a short linear rise, then a cosine. Pure functions."""

import math
from collections.abc import Callable
from typing import Any

Course = Callable[[int, int], float]
"""From a step (from 0) and the number of steps to the share of the peak rate."""


def policy_rate(width: int, tuning: str) -> float:
    """A policy's peak rate: 5e-4 at width 128 and inversely proportional to the width; ten times that for LoRA.

    >>> policy_rate(4096, "full"), policy_rate(4096, "lora")
    (1.5625e-05, 0.00015625)
    """
    return 5e-4 * 128 / width * (10 if tuning == "lora" else 1)


def policy_course(step: int, steps: int) -> float:
    """A policy's: up within 3 % of the steps, then along a cosine down to a tenth.

    >>> [round(policy_course(step, 4), 3) for step in range(5)]
    [1.0, 1.0, 0.775, 0.325, 0.1]
    """
    return _rise_and_fall(step, steps, rise=max(1, round(steps * 0.03)), least=0.1)


def reward_course(step: int, steps: int) -> float:
    """A reward model's: up within a twentieth of the steps, then along a cosine down to a fiftieth.

    >>> [round(reward_course(step, 40), 3) for step in (0, 1, 2, 21, 40)]
    [0.5, 1.0, 1.0, 0.51, 0.02]
    """
    return _rise_and_fall(step, steps, rise=max(1, steps // 20), least=0.02)


def _rise_and_fall(step: int, steps: int, *, rise: int, least: float) -> float:
    """`(step + 1) / rise` while it rises, then `least + (1 - least) (1 + cos(pi x)) / 2`, x from 0 to 1 at the end."""
    if step < rise:
        return (step + 1) / rise
    along = min(1.0, (step - rise) / max(1, steps - rise))
    return least + (1 - least) / 2 * (1 + math.cos(math.pi * along))


class Schedule:
    """How far an epoch has come, and the rate of its next step.

    Args:
        course: The share of the peak rate at each step.
        steps: Of the epoch; 0 before there is one, when the optimiser keeps its rate.
        rate: The peak.
        done: Steps taken.
    """

    def __init__(self, course: Course, steps: int = 0, rate: float = 0.0, done: int = 0) -> None:
        self.course = course
        self.steps = steps
        self.rate = rate
        self.done = done

    def tick(self, optimiser: Any) -> None:
        """Set the optimiser's rate for the step that comes, and count it."""
        for group in optimiser.param_groups if self.steps else ():
            group["lr"] = self.rate * self.course(self.done, self.steps)
        self.done += 1

    def state(self) -> tuple[int, float, int]:
        """What a schedule of the same course goes on with."""
        return self.steps, self.rate, self.done
