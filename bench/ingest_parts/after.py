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
from streams.events import Event, Message, ReactionChanged, ResponseServed, encode, new_event_id
from warehouse import connection

SHARE = 0.05
"""Of the new events, how many are drawn from the past."""
_TABLES: dict[type[Event], tuple[str, str]] = {
    ResponseServed: ("responses", "served_at"),
    ReactionChanged: ("reactions", "reacted_at"),
}
_LATEST = "(SELECT max(served_at) FROM responses) - INTERVAL 1 DAY"


class Mixed(NamedTuple):
    """A kind of load.

    Attributes:
        percent: How many of a hundred events are drawn from responses, and how many from reactions of the past.
        where: Which ones, of all the past; `{moment}` is their time.
        change: What becomes of a drawn one at its new moment; None for a plain copy.
    """

    percent: tuple[int, int]
    where: str = "true"
    change: Callable[[Event, datetime], Event] | None = None


def write(path: Path, count: int, begin: datetime, mixed: Mixed, past: Path) -> dict[str, load.Truth]:
    """Write a load of `count` lines from a moment on; returns what is true of it on an empty and a loaded warehouse."""
    seed = 2 + list(KINDS.values()).index(mixed)
    drawn = random.Random(seed)
    pool, plain = _pool(past, mixed, count, drawn), load.clean(count, seed=seed, start=begin)
    made: dict[type[Event], int] = dict.fromkeys(_TABLES, 0)
    copies: dict[type[Event], int] = dict.fromkeys(_TABLES, 0)
    with path.open("wb") as file:
        for number in range(count):
            event = next(plain)
            if pool and drawn.random() < SHARE:
                event = pool.pop()
                copies[type(event)] += mixed.change is None
                event = mixed.change(event, begin + number * load.STEP) if mixed.change else event
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


def _pool(past: Path, mixed: Mixed, count: int, drawn: random.Random) -> list[Event]:
    needed = int(count * SHARE * 1.1) // 100 + 1
    events = [
        event
        for kind, percent in zip(_TABLES, mixed.percent, strict=True)
        if percent
        for event in _stored(past, kind, mixed.where, percent * needed)
    ]
    drawn.shuffle(events)
    return events


def _stored(past: Path, kind: type[Event], where: str, rows: int) -> list[Event]:
    """Some stored events, as they were sent."""
    table, moment = _TABLES[kind]
    names = ", ".join(kind.__struct_fields__)
    with connection.open(past).read() as opened:
        found = opened.execute(
            f"""SELECT {names} FROM (SELECT * FROM {table} WHERE {where.format(moment=moment)})
            USING SAMPLE reservoir({rows} ROWS) REPEATABLE (7)"""
        ).to_arrow_table()
    return [_event(kind, row) for row in found.to_pylist()]


def _event(kind: type[Event], row: dict[str, object]) -> Event:
    if "conversation" in row:
        row["conversation"] = msgspec.json.decode(str(row["conversation"]), type=list[Message])
    return kind(**row)


KINDS: dict[str, Mixed] = {
    "new_events": Mixed((0, 0)),
    "copies_of_a_day": Mixed((95, 5), f"{{moment}} > {_LATEST}"),
    "copies_of_all": Mixed((95, 5)),
    "retractions": Mixed((0, 100), change=_taken_back),
    "long_histories": Mixed((100, 0), f"user_id LIKE 'heavy%' AND {{moment}} > {_LATEST}", _reacted),
}
"""Copies of a day: a producer that sent again. Copies of all: a replay of the past in disorder. Retractions: of
reactions of any age. Long histories: reactions by 20 users, each of whom has one in 200 of all events."""
