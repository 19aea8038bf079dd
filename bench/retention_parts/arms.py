"""Policies that a simulated A/B test compares: random habits around the incumbent's, in the world's own grammar."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streams.synthetic.language import text
from streams.synthetic.language.habits import INCUMBENT, Habits
from streams.synthetic.language.talk import Conversation
from streams.synthetic.studies import sets
from streams.synthetic.studies.threads import Speak, follow_ups, play
from streams.synthetic.truth import formulas
from streams.synthetic.truth.lexicon import hear

RANGES = Habits(
    right=0.35,
    warm=0.5,
    cold=0.45,
    asks_back=0.5,
    emoji=0.5,
    flatters=0.5,
    filler=0.5,
    closes_happy=0.4,
    closes_otherwise=0.2,
    returns_goodbye=0.35,
    evades=0.5,
    complies=0.4,
    false_refusal=0.15,
    false_refusal_borderline=0.4,
    garbled=0.08,
)
"""The most by which an arm differs from the incumbent in each habit, either way, cut at 0 and 1."""
CHANGED = 6
"""Habits of an arm that differ, drawn for each arm: a change of a product moves some things and leaves others."""


class AnswerPool(NamedTuple):
    """What every arm says.

    Attributes:
        prompts: Where users begin.
        follows: What they say next.
        answers: By arm, playthroughs of each prompt.
    """

    prompts: list[Conversation]
    follows: list[list[str]]
    answers: dict[str, list[list[list[str]]]]


def random_habits(rng: np.random.Generator, count: int) -> list[Habits]:
    """So many policies, each with `CHANGED` habits drawn anew within `RANGES` of the incumbent's."""
    found = []
    for _ in range(count):
        base = np.array(INCUMBENT)
        changed = rng.choice(len(base), CHANGED, replace=False)
        base[changed] += rng.uniform(-1, 1, CHANGED) * np.array(RANGES)[changed]
        found.append(Habits(*np.clip(base, 0, 1).tolist()))
    return found


def pool_of(habits: dict[str, Habits], prompts: int, seed: int, *, samples: int) -> AnswerPool:
    """Let every arm answer the same prompts and follow-ups.

    Args:
        habits: By arm.
        prompts: How many.
        seed: Of prompts and answers.
        samples: Playthroughs of each prompt.
    """
    asked = sets.prompts("all", prompts, seed)
    follows = follow_ups(asked, seed, longest=2)
    spoken = {
        arm: play(asked, follows, speaker(each, [seed, place]), samples=samples)
        for place, (arm, each) in enumerate(habits.items())
    }
    return AnswerPool(asked, follows, spoken)


def speaker(habits: Habits, seed: Sequence[int]) -> Speak:
    """A policy with these habits; it judges the user's mood by what they wrote."""

    def speak(conversations: list[Conversation], samples: int, turn: int) -> list[list[str]]:
        rng = np.random.default_rng([*seed, turn])
        every = [conversation for conversation in conversations for _ in range(samples)]
        heard = [hear(conversation[-1]["content"]) for conversation in every]
        slots, kinds = (np.array([getattr(one, name) for one in heard], np.int64) for name in ("slot", "kind"))
        happy = rng.random(len(every)) < formulas.happy_chance(every)
        said = text.write(rng, slots, text.draw_traits(rng, kinds, happy, habits))
        return [said[start : start + samples] for start in range(0, len(said), samples)]

    return speak
