"""Where prompts come from: the log's own for evaluation and A/B pools, each task's domain for training.

The sets of the simulated world stand in for a task's domain only where the events are simulated too.
"""

import json
from typing import Any, Literal, NamedTuple

import numpy as np

from assets.run import Run
from assets.stages import feedback, labels

Task = Literal["love", "helpfulness", "safety"]
Conversation = list[dict[str, str]]
HELD_OUT = 0.2
"""The latest share of the log, from which evaluation prompts and A/B pools are drawn and no training prompt is."""


class Prompts(NamedTuple):
    """Conversations that end with the user, and where they came from.

    Attributes:
        conversations: Each a list of messages.
        origin: `source`, `words` (one sentence for the report), `simulated`, `count`.
    """

    conversations: list[Conversation]
    origin: dict[str, Any]


def earlier(rows: int) -> int:
    """How many of the log's rows, in the order of time, policies may learn from."""
    return int(rows * (1 - HELD_OUT))


def held_out(run: Run, count: int, *, salt: int) -> list[Conversation]:
    """Distinct prompts of the latest part of the log, as users really sent them; fewer where the log has fewer."""
    return _sample(_logged(run, latest=True), count, run.recipe.seed + salt)


def for_training(run: Run, task: Task, count: int) -> Prompts:
    """Prompts in a task's domain: the world's sets; else the log's earlier part, for safety those of a labels file."""
    if run.recipe.source == "world":
        from streams.synthetic.sets import prompts

        drawn = [list(prompt) for prompt in prompts(task, count, run.recipe.seed + 1)]
        return _named(drawn, "world", f"the simulated world's prompts for {task}")
    if task == "safety" and run.recipe.safety and run.recipe.safety.labels not in ("reactions", "judge"):
        asked = labels.read(run, "safety", run.recipe.safety).table["conversation"].to_pylist()
        return _named(_sample(_distinct(asked), count, run.recipe.seed), "file", "the prompts of the safety labels")
    drawn = _sample(_logged(run, latest=False), count, run.recipe.seed)
    return _named(drawn, "log", f"the log's own prompts (its earlier {1 - HELD_OUT:.0%})")


def _named(conversations: list[Conversation], source: str, words: str) -> Prompts:
    if not conversations:
        raise ValueError(f"no prompt to train on in {words}: a prompt is a conversation in which the user spoke last")
    origin = {"source": source, "words": words, "simulated": source == "world", "count": len(conversations)}
    return Prompts(conversations, origin)


def _logged(run: Run, *, latest: bool) -> list[str]:
    from warehouse import training_set

    texts: list[Any] = training_set.load(feedback.training_set_directory(run))["conversation"].to_pylist()
    cut = earlier(len(texts))
    if not latest:
        return _distinct(texts[:cut])
    before = set(texts[:cut])
    return _distinct([text for text in texts[cut:] if text not in before])


def _distinct(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _sample(texts: list[str], count: int, seed: int) -> list[Conversation]:
    """Seeded; only conversations in which the user spoke last (a bot that opens has no prompt)."""
    asked = [found for found in map(json.loads, texts) if found[-1]["role"] == "user"]
    chosen = np.random.default_rng(seed).permutation(len(asked))[:count]
    return [asked[place] for place in sorted(chosen.tolist())]
