"""Conversations that go on: what a user says next, and a policy's answers to each turn in its own context."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language import text
from streams.synthetic.language.talk import STAYS, TURNS, Conversation
from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.truth import formulas
from streams.synthetic.truth.lexicon import hear

Ints = NDArray[np.int64]

Speak = Callable[[list[Conversation], int, int], Sequence[Sequence[str]]]
"""`speak(conversations, samples, round)`: so many answers of a policy to each conversation; `round` counts from 0."""
ENDS: Final = frozenset(KINDS.index(kind) for kind in ("thanks", "goodbye"))
"""Kinds of request behind which a conversation ends."""


def follow_ups(prompts: Sequence[Conversation], seed: int, *, longest: int) -> list[list[str]]:
    """What users say after the answers to their prompts; a list for each prompt, empty where they say no more.

    How many turns a conversation has is drawn as everywhere in this world (`talk.TURNS`), given that it has come as far
    as the prompt. A user mostly stays with the kind of request (`talk.STAYS`), in the mood that the prompt shows. After
    thanks and goodbyes nothing follows.

    Args:
        prompts: Conversations in which the user spoke last.
        seed: The only source of chance.
        longest: Most messages after a prompt; 0: none.

    >>> follow_ups([[{"role": "user", "content": "bye!"}]], 1, longest=2)
    [[]]
    """
    rng = np.random.default_rng([seed, 79])
    heard = [hear(prompt[-1]["content"]) for prompt in prompts]
    kinds = np.array([last.kind for last in heard], np.int64)
    ends_here = np.isin(kinds, list(ENDS)) | np.array([last.closes for last in heard], bool)
    happy = rng.random(len(prompts)) < formulas.happy_chance(prompts)
    come = np.array([(len(prompt) + 1) // 2 for prompt in prompts], np.int64)
    more = np.minimum(_turns_left(rng, come), longest) * ~ends_here
    owner = np.repeat(np.arange(len(prompts)), more)
    stays = (rng.random(len(owner)) < STAYS) & (kinds[owner] >= 0)
    asked = np.where(stays, kinds[owner], text.draw_kinds(rng, len(owner)))
    said = text.draw_requests(rng, asked, happy[owner]).messages
    ends = np.cumsum(more)
    return [said[end - count : end] for end, count in zip(ends.tolist(), more.tolist(), strict=True)]


def play(
    prompts: Sequence[Conversation], follows: Sequence[Sequence[str]], speak: Speak, *, samples: int
) -> list[list[list[str]]]:
    """Let a policy hold each conversation several times, each time in the context of its own earlier answers.

    Args:
        prompts: How the conversations begin.
        follows: What the user says after each answer, see `follow_ups`.
        speak: The policy.
        samples: Playthroughs of each prompt.

    Returns:
        For each prompt `samples` playthroughs, each of `1 + len(follows[i])` answers.
    """
    first = speak([*prompts], samples, 0)
    played = [[[answer] for answer in several] for several in first]
    threads = [
        (prompt, each, again) for prompt, each, own in zip(prompts, follows, played, strict=True) for again in own
    ]
    for turn in range(max(map(len, follows), default=0)):
        open_ = [(prompt, said, own) for prompt, said, own in threads if len(said) > turn]
        asked = [so_far(prompt, said, own, turn + 1) for prompt, said, own in open_]
        for (_, _, own), (answer, *_) in zip(open_, speak(asked, 1, turn + 1), strict=True):
            own.append(answer)
    return played


def so_far(prompt: Conversation, follows: Sequence[str], answers: Sequence[str], turn: int) -> Conversation:
    """What had been said when the answer of turn `turn` was given (0: the prompt itself)."""
    said = list(prompt)
    for answer, message in zip(answers[:turn], follows[:turn], strict=True):
        said += [{"role": "assistant", "content": answer}, {"role": "user", "content": message}]
    return said


def _turns_left(rng: np.random.Generator, come: Ints) -> Ints:
    """Turns after the ones that were had (int64[n], from 1), int64[n]."""
    beyond = np.append(np.cumsum(TURNS[::-1])[::-1], 0.0)  # P(T >= 1), P(T >= 2), ...
    start = beyond[np.minimum(come, len(TURNS)) - 1]
    level = rng.random(len(come)) * start
    reached = (beyond[None, :] > level[:, None]).sum(axis=1)
    return np.asarray(np.maximum(reached - come, 0), np.int64)
