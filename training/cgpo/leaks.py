"""Prompts that occur where they must not: in two tasks' training sets, or in training and in evaluation.

What is asked by many users ("hi") occurs everywhere, in real traffic above all: a first turn that occurs twice is no
leak, it is how people open. A conversation of several turns holds a bot's own words and belongs to one user; the same
one in two sets is the same row, and such a prompt is a leak.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from training.cgpo.tasks import Task
from training.text import Conversation, opens


def without_leaks(
    tasks: Sequence[Task], held_out: Sequence[Conversation]
) -> tuple[list[Task], dict[str, dict[str, int]]]:
    """Drop each prompt that an earlier task or the evaluation holds too.

    Args:
        tasks: In order: of a prompt that two of them hold, the first keeps it.
        held_out: Prompts of evaluations and A/B pools.

    Returns:
        The tasks without such prompts; and by task, from where prompts came and how many were dropped (`evaluation`,
        or another task's name), only counts above 0.

    Raises:
        ValueError: Nothing is left of a task's prompts.
    """
    owners = {_name(each): "evaluation" for each in held_out if not opens(each)}
    kept, dropped = [], {}
    for task in tasks:
        prompts: list[Conversation] = []
        counts: dict[str, int] = {}
        for prompt in task.prompts:
            owner = task.name if opens(prompt) else owners.setdefault(_name(prompt), task.name)
            if owner == task.name:
                prompts.append(prompt)
            else:
                counts[owner] = counts.get(owner, 0) + 1
        if not prompts:
            raise ValueError(
                f"task {task.name} has {len(task.prompts)} prompts, all of them in other sets too ({counts}): no "
                "prompt may be in two; give the task prompts of its own"
            )
        kept.append(replace(task, prompts=prompts))
        if counts:
            dropped[task.name] = counts
    return kept, dropped


def _name(prompt: Conversation) -> str:
    return json.dumps([[turn["role"], turn["content"]] for turn in prompt], ensure_ascii=False)
