"""Turns what happened into lines of the event contract."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streams.events import Event, ReactionChanged, ResponseServed, encode
from streams.synthetic.talk import Conversation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: int) -> datetime:
    """The moment that many milliseconds after 1970.

    >>> moment(1_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(at: datetime) -> int:
    """Milliseconds from 1970 to a moment."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def event_ids(rng: np.random.Generator, at: NDArray[np.int64]) -> list[str]:
    """A UUIDv7 for each of these moments (milliseconds since 1970); the same as `streams.events.new_event_id`, sooner.

    >>> event_ids(np.random.default_rng(1), np.array([1_767_225_600_000]))[0][:15]
    '019b76da-a800-7'
    """
    count = len(at)
    words = np.empty((count, 2), ">u8")
    chance = rng.integers(0, 2**62, size=(count, 2))
    words[:, 0] = (at << 16) | (7 << 12) | (chance[:, 0] & 0xFFF)
    words[:, 1] = chance[:, 1].astype(np.uint64) | np.uint64(1 << 63)
    hexed = words.tobytes().hex()
    whole = [hexed[place : place + 32] for place in range(0, 32 * count, 32)]
    return [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in whole]


def names_of(rng: np.random.Generator, at: NDArray[np.int64]) -> list[str]:
    """Names of responses served at these moments (milliseconds since 1970): time first, then 40 random bits.

    They sort by time and say nothing about who was served.
    """
    tails = rng.integers(0, 2**40, size=len(at))
    return [f"r{moment:011x}{tail:010x}" for moment, tail in zip(at.tolist(), tails.tolist(), strict=True)]


def served(
    *,
    event_id: str,
    at: int,
    response_id: str,
    conversation_id: str,
    turn: int,
    user_id: str,
    session_id: str,
    policy: str,
    conversation: Conversation,
    response: str,
    experiment: str | None = None,
    arm: str | None = None,
) -> bytes:
    """The line of a response served `at` (milliseconds since 1970)."""
    when = moment(at)
    return encode(
        ResponseServed(
            event_id=event_id,
            user_id=user_id,
            served_at=when,
            response_id=response_id,
            conversation_id=conversation_id,
            turn=turn,
            session_id=session_id,
            policy=policy,
            conversation=conversation,  # type: ignore[arg-type]  # dicts are written as messages are
            response=response,
            experiment=experiment,
            arm=arm,
        )
    )


def reacted(
    *,
    event_id: str,
    at: int,
    response_id: str,
    user_id: str,
    session_id: str,
    reaction: str,
    action: Literal["added", "removed"] = "added",
    dwell_ms: int | None = None,
    device_id: str | None = None,
    network_id: str | None = None,
) -> bytes:
    """The line of a reaction that changed `at` (milliseconds since 1970)."""
    when = moment(at)
    event: Event = ReactionChanged(
        event_id=event_id,
        user_id=user_id,
        reacted_at=when,
        response_id=response_id,
        reaction=reaction,
        action=action,
        session_id=session_id,
        dwell_ms=dwell_ms,
        device_id=device_id,
        network_id=network_id,
    )
    return encode(event)


class LineQueue:
    """Lines on their way: they leave in the order of their arrival, those of one moment in the order of posting."""

    def __init__(self) -> None:
        self._arrivals: list[int] = []
        self._lines: list[bytes] = []

    def post(self, arrivals: Sequence[int], lines: Sequence[bytes]) -> None:
        """Add lines with their arrivals (milliseconds since 1970)."""
        self._arrivals.extend(arrivals)
        self._lines.extend(lines)

    def take(self, before: int | None = None) -> list[bytes]:
        """The lines that arrive before that moment (all, without one), in order; the others stay."""
        order = np.argsort(self._arrivals, kind="stable").tolist()
        due = len(order) if before is None else int(np.sum(np.asarray(self._arrivals, np.int64) < before))
        taken = [self._lines[place] for place in order[:due]]
        self._arrivals, self._lines = [self._arrivals[p] for p in order[due:]], [self._lines[p] for p in order[due:]]
        return taken
