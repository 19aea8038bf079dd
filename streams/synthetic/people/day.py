"""What happens in a stretch of the synthetic world's time, as columns: people's doings and attackers' alike."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.language.talk import Talk
from streams.synthetic.truth.formulas import Readings

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

HONEST: Final = -1
"""`Day.attack` of what people do of their own accord."""
NEVER: Final = -1
NO_ARM: Final = -1
REACTIONS: Final = ("", "love", "like", "dislike")


class Echoes(NamedTuple):
    """Reactions beside those that a stretch's own responses earn: to anybody's response, or sent once more.

    Attributes:
        response_ids: m names of responses that are or were served to somebody.
        sessions: m names of sessions.
        user: int64[m], who reacts; `attack`: int64[m], as in `Day`.
        at: int64[m], when, milliseconds since 1970.
        dwell_ms: int64[m], what the event claims.
        reaction: int64[m], place in `REACTIONS`.
        device: int64[m], `network`: int64[m].
        copy: bool[m], whether the very line of the response's own honest love is sent again: a duplicate.
        adds: bool[m], whether the feedback holds a love more than it would without this one.
    """

    response_ids: list[str]
    sessions: list[str]
    user: Ints
    attack: Ints
    at: Ints
    dwell_ms: Ints
    reaction: Ints
    device: Ints
    network: Ints
    copy: Bools
    adds: Bools


class Day(NamedTuple):
    """What happens in one stretch of time, at most a day; one entry a response, conversation after conversation.

    Attributes:
        begins: First moment of the stretch, `ends` the first after it, milliseconds since 1970. Conversations begin in
            between; their later turns and all reactions may lie after it.
        names: Names of the responses; `sessions`: of the sessions (which are the conversations). An attack leaves both
            empty: the network gives them.
        talk: What was said; `talk.owner` numbers the stretch's conversations.
        readings: What it really did.
        user: int64[n], number of the user.
        attack: int64[n], which of the world's attacks did this, or `HONEST`.
        at: int64[n], when it was served, milliseconds since 1970.
        arm: int64[n], 0 for control, 1 for treatment, `NO_ARM` without an experiment.
        device: int64[n], number of the device in use; `network`: int64[n], likewise.
        p_love: float64[n], chance of a love by the full oracle; `p_observable`: by the observable one.
        reaction: int64[n], place in `REACTIONS`; 0 for none.
        reacted_at: int64[n], milliseconds since 1970, or `NEVER`; `removed_at` likewise.
        echoes: Reactions to other responses, of attacks only.
    """

    begins: int
    ends: int
    names: list[str]
    sessions: list[str]
    talk: Talk
    readings: Readings
    user: Ints
    attack: Ints
    at: Ints
    arm: Ints
    device: Ints
    network: Ints
    p_love: Floats
    p_observable: Floats
    reaction: Ints
    reacted_at: Ints
    removed_at: Ints
    echoes: Echoes | None = None
