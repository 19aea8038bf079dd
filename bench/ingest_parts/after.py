"""New events after a long past: mostly clean ones, and among them what a past could make slow."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from ingest_parts import load
from ingest_parts.past import Past
from streams.events import Event, ReactionChanged, ResponseServed, encode, new_event_id

SHARE = 0.05
"""Of the new events, how many are drawn from the past."""


def _taken_back(event: Event, moment: datetime) -> Event:
    return msgspec.structs.replace(
        event, event_id=new_event_id(moment), reacted_at=moment, action="removed", dwell_ms=None
    )


def _reacted(event: Event, moment: datetime) -> Event:
    assert isinstance(event, ResponseServed)
    return ReactionChanged(
        event_id=new_event_id(moment), user_id=event.user_id, reacted_at=moment, response_id=event.response_id,
        reaction=load.REACTIONS[int(event.event_id[-2:], 16) % len(load.REACTIONS)], action="added",
        session_id=event.session_id, dwell_ms=30_000,
    )  # fmt: skip


class Mixed(NamedTuple):
    """A kind of load.

    Attributes:
        drawn: Which numbers of the past may be drawn.
        since: From which share of the past on; 1 stands for its last day.
        in_order: Whether they come one after the other, not drawn from everywhere.
        change: What becomes of a drawn event at its new moment; None for a plain copy.
    """

    drawn: Callable[[int], bool]
    since: float = 0.0
    in_order: bool = False
    change: Callable[[Event, datetime], Event] | None = None


KINDS: dict[str, Mixed] = {
    "new_events": Mixed(lambda number: False),  # noqa: ARG005
    "copies_of_a_day": Mixed(lambda number: True, since=1),  # noqa: ARG005
    "copies_of_old": Mixed(lambda number: True, since=0.2, in_order=True),  # noqa: ARG005
    "retractions": Mixed(lambda number: number % 20 == 19, change=_taken_back),
    "long_histories": Mixed(lambda number: number % 20 != 19 and number // 20 % 10 == 0, 1, change=_reacted),
    "copies_in_disorder": Mixed(lambda number: True),  # noqa: ARG005
}
"""Copies of a day: a producer that sent again, in any order. Copies of old: a stretch of long ago is replayed in order.
Copies in disorder: from anywhere in the past, the worst that can be done to deduplication. Retractions: of reactions of
any age. Long histories: reactions by 20 users, each of whom has one in 200 of all events."""


def write(path: Path, count: int, kind: str, past: Past) -> dict[str, load.Truth]:
    """Write a load of `count` lines that follows on a past; what is true of it on an empty and a loaded warehouse."""
    seed = 2 + list(KINDS).index(kind)
    change, drawn = KINDS[kind].change, random.Random(seed)
    pool, plain = (
        _pool(KINDS[kind], past, int(count * SHARE * 1.1), drawn),
        load.clean(count, seed=seed, start=past.end),
    )
    made: dict[type[Event], int] = {ResponseServed: 0, ReactionChanged: 0}
    copies = dict(made)
    with path.open("wb") as file:
        for number in range(count):
            event = next(plain)
            if pool and drawn.random() < SHARE:
                event = pool.pop()
                copies[type(event)] += change is None
                event = change(event, past.end + number * load.STEP) if change else event
            made[type(event)] += 1
            file.write(encode(event) + b"\n")
    empty = load.Truth(events=count, responses=made[ResponseServed], reactions=made[ReactionChanged])
    return {
        "empty": empty,
        "loaded": replace(
            empty,
            responses=empty.responses - copies[ResponseServed],
            reactions=empty.reactions - copies[ReactionChanged],
            duplicates=sum(copies.values()),
        ),
    }


def _pool(mixed: Mixed, past: Past, size: int, drawn: random.Random) -> list[Event]:
    """Events of the past, the first one last."""
    first = max(0, min(int(mixed.since * past.count), past.count - load.PER_DAY))
    numbers = [number for number in range(first, past.count) if mixed.drawn(number)]
    if mixed.in_order:
        return sorted(past.events(numbers[:size]), key=lambda event: event.event_id, reverse=True)
    events = past.events(drawn.sample(numbers, min(size, len(numbers))))
    drawn.shuffle(events)
    return events
