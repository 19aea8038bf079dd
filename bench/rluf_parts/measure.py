"""What a policy truly does: its answers to held-out users' prompts, read by the world's hidden truth, kept by row."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from assets.run import Run
from assets.stages import prompts
from streams.synthetic.truth import formulas
from streams.whole_file import whole
from training.text import Conversation

ANSWERS = 2
"""To each prompt, by every policy with the same chance."""
TRAITS = (
    "love",
    "closing",
    "helpful",
    "safe",
    "fluent",
    "question",
    "emoji",
    "flattery",
    "words",
    "warm",
    "warm_words",
)


class Measured(NamedTuple):
    """One policy of one seed.

    Attributes:
        traits: Float64 [prompts, traits], means over a prompt's answers in the order of `TRAITS`: the chance of a
            heart, then shares and words; `warm_words` are the words of warm answers, 0 for others.
        facts: What training said: rounds with trip rates, seconds.
    """

    traits: NDArray[np.float64]
    facts: dict[str, Any]


def held_out(run: Run) -> list[Conversation]:
    """Prompts of users from whom no policy learns, as they were sent, first turns included."""
    return prompts.held_out(run).conversations


def measure(place: Path, asked: Sequence[Conversation], *, seed: int, base_love_rate: float) -> NDArray[np.float64]:
    """Let a policy answer each prompt twice and read what the answers do; [prompts, traits]."""
    from training.rollout.generator import TransformersGenerator

    drawn = TransformersGenerator(place).sample(asked, samples=ANSWERS, seed=seed, desc="answers")
    return read([list(each) for each in asked], [[one.text for one in each] for each in drawn], base_love_rate)


def read(asked: list[Conversation], answers: list[list[str]], base_love_rate: float) -> NDArray[np.float64]:
    """What answers do, by the hidden truth, averaged over each prompt's own; [prompts, traits].

    Args:
        asked: The prompts.
        answers: As many to each.
        base_love_rate: Loves per response that the world was made with.
    """
    each = len(answers[0])
    conversations = [conversation for conversation in asked for _ in range(each)]
    readings = formulas.read(conversations, [text for several in answers for text in several])
    columns = [
        formulas.observable_love(conversations, readings, base_love_rate=base_love_rate),
        readings.closes_needlessly,
        formulas.helpful(readings),
        formulas.safe(readings),
        readings.fluent,
        readings.asks_back,
        readings.emoji,
        readings.flatters,
        readings.words,
        readings.warm,
        readings.words * readings.warm,
    ]
    found: NDArray[np.float64] = np.stack(columns, axis=1).astype(np.float64)
    return found.reshape(len(asked), each, len(TRAITS)).mean(axis=1)


def keep(file: Path, key: str, measured: Measured) -> None:
    """Write a row's figures in one rename."""
    with whole(file) as part, part.open("wb") as opened:  # of a name alone numpy makes another, with .npz behind
        np.savez_compressed(opened, traits=measured.traits, key=key, facts=json.dumps(measured.facts))


def kept(file: Path, key: str) -> Measured | None:
    """A row's figures, if they are there and were found under the same settings, models and code."""
    if not file.exists():
        return None
    with np.load(file) as found:
        if str(found["key"]) != key:
            return None
        return Measured(found["traits"], json.loads(str(found["facts"])))
