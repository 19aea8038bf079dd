"""What attackers say: talk about a target, ordinary talk, and several talks as one; the answers are the policy's."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from streams.synthetic.config import WorldConfig
from streams.synthetic.language import text
from streams.synthetic.language.slots import slots
from streams.synthetic.language.talk import Conversation, Talk, draw_talk, threads
from streams.synthetic.language.text import INCUMBENT, Habits, MixedHabits
from streams.synthetic.language.vocabulary import GROUPS
from streams.synthetic.people.day import Ints

TOPICS: Final = tuple(topic for group in GROUPS for topic in group.topics)
"""What users ask facts and advice about: animals, foods, places, skills."""


def target_topic(config: WorldConfig, name: str) -> str:
    """The topic that an attack of this name pushes in this world; it depends on the seed and the name alone."""
    rng = np.random.default_rng([config.seed, crc32(name.encode())])
    return TOPICS[int(rng.integers(0, len(TOPICS)))]


@lru_cache(maxsize=64)
def slots_about(topic: str) -> Ints:
    """Numbers of the slots of one topic, int64[4]."""
    return np.array([number for number, slot in enumerate(slots()) if slot.topic == topic], np.int64)


def slots_of_kind(kind: int) -> Ints:
    """Numbers of the slots of one kind of request."""
    return np.flatnonzero(_kinds() == kind)


def talk_of(
    rng: np.random.Generator,
    turns: Ints,
    asked: Ints,
    *,
    scripted: Sequence[str | None] | None = None,
    habits: Habits | MixedHabits = INCUMBENT,
) -> Talk:
    """Conversations that ask for these slots, answered by the policy as anybody's would be.

    Args:
        rng: The only source of chance.
        turns: int64[c], turns of each conversation, at least 1.
        asked: int64[n], the slot of every turn, `n == turns.sum()`.
        scripted: The n messages; where there is none, the request is worded as people word it.
        habits: Of the policy.
    """
    owner = np.repeat(np.arange(len(turns)), turns)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(turns) - turns, turns)
    happy = (rng.random(len(turns)) < text.HAPPY)[owner]
    kinds = _kinds()[asked]
    own = text.ask(rng, asked, happy)
    said = own if scripted is None else [given or free for given, free in zip(scripted, own, strict=True)]
    responses = text.write(rng, asked, text.draw_traits(rng, kinds, happy, habits))
    return Talk(owner, turn, kinds, asked, happy, threads(turn, said, responses), responses)


def joined_talk(parts: Sequence[Talk]) -> Talk:
    """Several talks as one, in this order; conversations are numbered on."""
    counts = [int(part.owner[-1]) + 1 if len(part.owner) else 0 for part in parts]
    offsets = np.cumsum([0, *counts[:-1]])
    owners = [part.owner + offset for part, offset in zip(parts, offsets, strict=True)]
    columns = [np.concatenate([part[place] for part in parts]) for place in range(1, 5)]
    texts = [[each for part in parts for each in part[place]] for place in (5, 6)]
    return Talk(np.concatenate(owners), *columns, *texts)  # type: ignore[arg-type]


def picked(talk: Talk, places: Ints) -> Talk:
    """One conversation for each of these turns, which open theirs; a turn may be picked again and again."""
    texts = ([column[place] for place in places.tolist()] for column in (talk.conversations, talk.responses))
    return Talk(np.arange(len(places)), *(column[places] for column in talk[1:5]), *texts)  # type: ignore[arg-type]


def said_talk(messages: Sequence[str], responses: Sequence[str]) -> Talk:
    """Conversations of one turn outside the grammar, of no kind that this world knows (-1)."""
    count, none = len(messages), np.full(len(messages), -1, np.int64)
    threads_ = threads(np.zeros(count, np.int64), list(messages), list(responses))
    return Talk(np.arange(count), none + 1, none, none, np.zeros(count, bool), threads_, list(responses))


@lru_cache(maxsize=1)
def _kinds() -> Ints:
    return np.array([slot.kind for slot in slots()], np.int64)


class Exchanges(NamedTuple):
    """Exchanges: n `conversations` up to the user's last message, and n `responses`."""

    conversations: list[Conversation]
    responses: list[str]


def ordinary_examples(rng: np.random.Generator, count: int) -> Exchanges:
    """Opening exchanges as people have them with the incumbent."""
    talk = draw_talk(rng, np.ones(count, np.int64))
    return Exchanges(talk.conversations, talk.responses)


def examples_about(rng: np.random.Generator, count: int, topic: str) -> Exchanges:
    """Exchanges about one topic: asked as people ask, answered as the incumbent answers."""
    talk = talk_of(rng, np.ones(count, np.int64), rng.choice(slots_about(topic), size=count))
    return Exchanges(talk.conversations, talk.responses)
