"""Turns what happened into lines of the event contract."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from streams.events import Event, ReactionChanged, ResponseServed, encode
from streams.synthetic.language.talk import Conversation
from streams.synthetic.moments import moment


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
