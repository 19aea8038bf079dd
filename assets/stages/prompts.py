"""Where prompts come from: held-out users' own for evaluation, gates and A/B test, each task's domain for training.

Held out are *users*, by a salted hash, and their prompts are drawn as they really came: first turns as well as later
ones, and what is often sent is often drawn. A first turn that others send too ("hi") is among the words that policies
learn from; that is no leak, since the very same words will be sent again by everybody. What one held-out user alone
wrote, no policy has read.

The sets of the simulated world stand in for a task's domain only where the events are simulated too.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from assets.facts.stage_facts import InputOrigin
from assets.run import Run
from assets.stages import feedback, labels

if TYPE_CHECKING:
    from assets.recipe import EvaluationSection

Task = Literal["love", "helpfulness", "safety", "retention"]
Conversation = list[dict[str, str]]
HELD_OUT = 0.2
"""The share of users whose prompts are kept for evaluation and A/B pools, and from whom no policy learns."""
LEAST_USERS = 20
"""With fewer users the latest part of the log is held out instead."""
CODE = "assets.stages.prompts"
"""For the keys of stages that draw prompts or leave held-out users aside."""


class Prompts(NamedTuple):
    """Conversations that end with the user, and where they came from.

    Attributes:
        conversations: Each a list of messages.
        origin: With their `count`.
        users: Who sent each of them; None where nobody is known.
    """

    conversations: list[Conversation]
    origin: InputOrigin
    users: list[str] | None = None


class HeldOut(NamedTuple):
    """Which rows of the log are kept for evaluation, and what they are in words.

    Attributes:
        rows: bool[rows].
        words: Whose they are.
    """

    rows: np.ndarray
    words: str


def held_out(run: Run) -> Prompts:
    """The prompts that every policy answers, as users really sent them; fewer where the log has fewer.

    One pool for the offline evaluation and the simulated A/B test, so that predicted, true and measured lift speak of
    the same thing. Reward models read the first `evaluation.prompts` of them.

    Raises:
        ValueError: Held-out users sent no prompt.
    """
    from training.text import opens

    log = _log(run)
    kept = _held_out(log, run)
    texts = _texts(log)
    own = texts[kept.rows].tolist()
    places = _places(own, pool(run.recipe.evaluation), run.recipe.seed + 1)
    drawn = [own[place] for place in places]
    if not drawn:
        raise ValueError(
            f"no prompt to evaluate on among {kept.words}: a prompt is a conversation in which the user spoke last"
        )
    asked: list[Conversation] = [json.loads(text) for text in drawn]
    others = {*texts[~kept.rows].tolist()}
    first, common = np.mean([opens(each) for each in asked]), np.mean([text in others for text in drawn])
    words = (
        f"{kept.words}, as they were sent: {first:.0%} are first turns, and {common:.0%} are words that other users "
        "sent too, which is no leak: everybody will send them again"
    )
    senders = np.array(log["user_id"].to_pylist(), dtype=object)[kept.rows][places].tolist()
    return Prompts(asked, {"source": "log", "words": words, "simulated": False, "count": len(asked)}, senders)


def kept_out(run: Run) -> list[Conversation]:
    """All prompts of held-out users, drawn or not: what no policy may learn from, however large the evaluation is."""
    log = _log(run)
    texts = _texts(log)[_held_out(log, run).rows].tolist()
    return _sample(_distinct(texts), len(texts), run.recipe.seed)


def pool(wanted: "EvaluationSection") -> int:
    """How many prompts are drawn: enough for judges, and for the reward models."""
    return max(wanted.judged, wanted.prompts)


def learnable(run: Run, log: Any) -> Any:
    """The rows of the training set that policies may learn from: those of users who are not held out."""
    import pyarrow as pa

    return log.filter(pa.array(~_held_out(log, run).rows))


def for_training(run: Run, task: Task, count: int) -> Prompts:
    """Prompts in a task's domain: the world's sets; else those of users who are not held out, or of a labels file."""
    if run.recipe.source == "world":
        from streams.synthetic.studies.sets import prompts

        domain = "all" if task == "retention" else task  # whatever people ask, it decides whether they come again
        drawn = [list(prompt) for prompt in prompts(domain, count, run.recipe.seed + 1)]
        return _named(drawn, "world", f"the simulated world's prompts for {task}")
    if task == "safety" and run.recipe.safety and run.recipe.safety.labels not in ("reactions", "judge"):
        asked = labels.read(run, "safety", run.recipe.safety).table["conversation"].to_pylist()
        return _named(_sample(_distinct(asked), count, run.recipe.seed), "file", "the prompts of the safety labels")
    log = _log(run)
    kept = _held_out(log, run)
    texts = _texts(log)[~kept.rows].tolist()
    drawn = _sample(_distinct(texts), count, run.recipe.seed)
    return _named(drawn, "log", f"the log's own prompts (without {kept.words})")


def _named(conversations: list[Conversation], source: str, words: str) -> Prompts:
    if not conversations:
        raise ValueError(f"no prompt to train on in {words}: a prompt is a conversation in which the user spoke last")
    origin: InputOrigin = {
        "source": source,
        "words": words,
        "simulated": source == "world",
        "count": len(conversations),
    }
    return Prompts(conversations, origin)


def _log(run: Run) -> Any:
    from warehouse import training_set

    return training_set.load(feedback.training_set_directory(run))


def _texts(log: Any) -> np.ndarray:
    return np.array(log["conversation"].to_pylist(), dtype=object)


def _held_out(log: Any, run: Run) -> HeldOut:
    return kept_for_evaluation(log["user_id"].to_pylist(), run.recipe.seed)


def kept_for_evaluation(users: Sequence[str], seed: int) -> HeldOut:
    """The rows of a share of the users; of a log with few users, its latest part.

    Args:
        users: Of each row of the log, in the order of time.
        seed: Salt of the hash.
    """
    from training.reward.split import uniform

    names, owner = np.unique(np.array(users, dtype=np.str_), return_inverse=True)
    chosen = np.array([uniform(name, f"evaluation/{seed}") < HELD_OUT for name in names])
    rows = chosen[owner]
    if len(names) >= LEAST_USERS and rows.any() and not rows.all():
        return HeldOut(rows, f"prompts of {chosen.sum():,} held-out users of {len(names):,}")
    cut = int(len(rows) * (1 - HELD_OUT))
    few = f"the log has {len(names)} users, too few to hold some out"
    return HeldOut(np.arange(len(rows)) >= cut, f"the latest {HELD_OUT:.0%} of the log ({few})")


def _distinct(texts: list[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _sample(texts: list[str], count: int, seed: int) -> list[Conversation]:
    return [json.loads(texts[place]) for place in _places(texts, count, seed)]


def _places(texts: list[str], count: int, seed: int) -> list[int]:
    """Seeded, in random order; only conversations in which the user spoke last (a bot that opens has no prompt)."""
    turns = ((place, json.loads(text)) for place, text in enumerate(texts))
    asked = [place for place, said in turns if said and said[-1]["role"] == "user"]
    chosen = np.random.default_rng(seed).permutation(len(asked))[:count]
    return [asked[place] for place in chosen.tolist()]
