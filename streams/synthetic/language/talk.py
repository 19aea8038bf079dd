"""Conversations of one to six turns, drawn together: every turn is a served response with all that was said before."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language import text
from streams.synthetic.language.text import INCUMBENT, Bools, Habits, Ints, MixedHabits
from streams.synthetic.language.vocabulary import KINDS

TURNS: Final = (0.45, 0.25, 0.15, 0.08, 0.04, 0.03)
"""Share of conversations with one to six turns."""
STAYS: Final = 0.8
"""Chance that a later turn keeps the kind of the first; otherwise it is drawn afresh."""
ENDS_WITH_GOODBYE, ENDS_WITH_THANKS = 0.15, 0.15
"""Chances for the last turn of a conversation that has more than one."""

Conversation = list[dict[str, str]]


class Talk(NamedTuple):
    """Turns in the order in which they happened, conversation after conversation; arrays have one entry a turn.

    Attributes:
        owner: int64[n], number of the conversation.
        turn: int64[n], place in it, from 0.
        kinds: int64[n], number of the kind of request.
        slots: int64[n], number of the slot that was asked for (`slots.slots`).
        happy: bool[n], the user's hidden mood.
        conversations: n lists of messages, up to the user's last.
        responses: n texts.
    """

    owner: Ints
    turn: Ints
    kinds: Ints
    slots: Ints
    happy: Bools
    conversations: list[Conversation]
    responses: list[str]


def draw_turns(rng: np.random.Generator, count: int) -> Ints:
    """Turns of `count` conversations, int64[count], 1 to 6."""
    return rng.choice(len(TURNS), size=count, p=TURNS) + 1


def draw_talk(
    rng: np.random.Generator,
    turns: Ints,
    *,
    shares: tuple[float, ...] = text.SHARES,
    habits: Habits | MixedHabits = INCUMBENT,
    asked: Ints | None = None,
) -> Talk:
    """Draw conversations with these numbers of turns.

    Args:
        rng: The only source of chance.
        turns: int64[c], turns of each conversation, at least 1.
        shares: How conversations open and turn, by kind of request; sums to 1.
        habits: Of the policy that answers; mixed ones have an entry a turn.
        asked: int64[c], the slot that each conversation opens with; -1 for any.
    """
    owner = np.repeat(np.arange(len(turns)), turns)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(turns) - turns, turns)
    happy = (rng.random(len(turns)) < text.HAPPY)[owner]
    opens = None if asked is None else np.where(turn == 0, asked[owner], -1)
    requests = text.draw_requests(rng, _kinds(rng, turns, owner, turn, shares), happy, opens)
    kinds = requests.kinds
    responses = text.write(rng, requests.slots, text.draw_traits(rng, kinds, happy, habits))
    return Talk(owner, turn, kinds, requests.slots, happy, threads(turn, requests.messages, responses), responses)


def _kinds(
    rng: np.random.Generator, turns: Ints, owner: Ints, turn: Ints, shares: tuple[float, ...]
) -> NDArray[np.int64]:
    first = rng.choice(len(KINDS), size=len(turns), p=shares)[owner]
    fresh = rng.choice(len(KINDS), size=len(owner), p=shares)
    kinds = np.where((turn == 0) | (rng.random(len(owner)) < STAYS), first, fresh)
    chance = rng.random(len(owner))
    final = (turn > 0) & (turn == turns[owner] - 1)
    kinds = np.where(final & (chance < ENDS_WITH_GOODBYE), KINDS.index("goodbye"), kinds)
    return np.where(final & (chance > 1 - ENDS_WITH_THANKS), KINDS.index("thanks"), kinds)


def threads(turn: Ints, messages: list[str], responses: list[str]) -> list[Conversation]:
    """What had been said when each response was given: n conversations from n messages and n responses, in order."""
    before: list[Conversation] = []
    said: Conversation = []
    for place, message, response in zip(turn.tolist(), messages, responses, strict=True):
        said = [*said, {"role": "user", "content": message}] if place else [{"role": "user", "content": message}]
        before.append(said)
        said = [*said, {"role": "assistant", "content": response}]
    return before
