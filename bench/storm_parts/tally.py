"""What became of every line of a storm, by one warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from storm_parts.gun import Landed
from storm_parts.lines import Line
from streams.events import ErasureRequested, Event, ReactionChanged, ResponseServed
from streams.topics import TOPICS
from warehouse import connection
from warehouse.connection import Target

Place = tuple[str, int, int, int]
_TABLES = ("responses", "reactions", "erasures")


@dataclass
class Tally:
    """Lines of one combination of broker and back end; sent = stored + dead_letters + duplicates + erased + lost.

    Attributes:
        erased: Broken lines whose user is also that of a broken request for erasure (an odd text for both).
        sent: Lines of committed messages; an empty message counts as one.
        good_lost: Of those lost, lines that keep the contract beyond doubt, and such as became dead letters.
        changed: Good lines whose stored text is not what was sent.
        crashed: Runs of a program that ended otherwise than they should, or printed a traceback.
    """

    records: int = 0
    sent: int = 0
    stored: int = 0
    dead_letters: int = 0
    duplicates: int = 0
    erased: int = 0
    lost: int = 0
    good_lost: int = 0
    changed: int = 0
    rolled_back_stored: int = 0
    crashed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """As a part of the figures."""
        return asdict(self)


class _Found(NamedTuple):
    """What a warehouse holds: event ids and dead letters by coordinates, what events say, lines by topic."""

    rows: dict[Place, str]
    dead: dict[Place, str]
    said: dict[str, tuple[Any, ...]]
    lines: dict[str, int]
    erased: int

    @classmethod
    def read(cls, target: Target) -> _Found:
        """All of it."""
        place = ", ".join(f"kafka_{name}" for name in ("topic", "partition", "offset", "line"))
        with connection.open(target).read() as reader:
            rows = [
                row
                for name in _TABLES
                for row in reader.execute(f"SELECT {place}, CAST(event_id AS VARCHAR) FROM {name}").fetchall()
            ]
            dead = reader.execute(f"SELECT {place}, reason FROM dead_letters").fetchall()
            sums = "SELECT topic, CAST(sum(events) AS BIGINT) FROM ingest_positions GROUP BY topic"
            lines = reader.execute(sums).fetchall()
            (erased,) = reader.execute("SELECT CAST(sum(erased) AS BIGINT) FROM ingest_positions").fetchone() or (0,)
            by_place = ({row[:4]: row[4] for row in each} for each in (rows, dead))
            return cls(*by_place, _said_by_id(reader), dict(lines), erased)


def count(target: Target, landed: Sequence[Landed], tally: Tally) -> Tally:
    """Look every line up by its coordinates; a copy is looked up by its event."""
    found = _Found.read(target)
    tally.reasons = dict(Counter(found.dead.values()).most_common())
    last = {each.group: each.offset for each in landed if each.group >= 0}
    heads = [each for each in landed if each.group < 0 or each.offset == last[each.group]]
    tally.records = len(heads)
    for each in heads:
        if each.shot.topic == TOPICS.events:
            unreadable = (Line(b""),) if each.group >= 0 else each.shot.lines
            for number, line in enumerate(unreadable):
                _count_line((TOPICS.events, each.partition, each.offset, number), line, found, tally)
    tally.erased = min(tally.lost, found.erased)
    tally.lost -= tally.erased
    _count_live(Counter(each.shot.topic for each in heads), found, tally)
    mine = {(each.partition, each.offset) for each in landed}
    tally.rolled_back_stored = sum(place[1:3] not in mine for place in found.rows)
    return tally


def _count_line(place: Place, line: Line, found: _Found, tally: Tally) -> None:
    tally.sent += 1
    if place in found.rows:
        tally.stored += 1
        tally.changed += line.event is not None and found.said[found.rows[place]] != _said(line.event)
    elif place in found.dead:
        tally.dead_letters += 1
        _note_good(tally, line.event, f"{place} {found.dead[place]}")
    elif line.event is not None and line.event.event_id in found.said:  # this one, or the one before it, is the copy
        tally.duplicates += 1
    else:
        tally.lost += 1
        _note_good(tally, line.event, f"{place} lost {line.text[:120]!r}")


def _count_live(sent: Counter[str], found: _Found, tally: Tally) -> None:
    """Lines of the live guard's topics, one a record: their rows bear no coordinates, so they are counted."""
    for topic in (TOPICS.flags, TOPICS.live_metrics, TOPICS.kill_switch):
        read = min(found.lines.get(topic, 0), sent[topic])
        broken = sum(place[0] == topic for place in found.dead)
        tally.sent += sent[topic]
        tally.dead_letters += broken
        tally.stored += read - broken
        tally.lost += sent[topic] - read


def _note_good(tally: Tally, event: Event | None, what: str) -> None:
    if event is not None:
        tally.good_lost += 1
        tally.examples = [*tally.examples, what][:10]


def _said_by_id(reader: Any) -> dict[str, tuple[Any, ...]]:
    """What is compared of every stored event, by its id."""
    served = "SELECT CAST(event_id AS VARCHAR), user_id, response_id, policy, response FROM responses"
    reacted = "SELECT CAST(event_id AS VARCHAR), user_id, response_id, reaction, device_id FROM reactions"
    asked = "SELECT CAST(event_id AS VARCHAR) FROM erasures"
    return {row[0]: row[1:] for query in (served, reacted, asked) for row in reader.execute(query).fetchall()}


def _said(event: Event) -> tuple[Any, ...]:
    match event:
        case ResponseServed():
            return event.user_id, event.response_id, event.policy, event.response
        case ReactionChanged():
            return event.user_id, event.response_id, event.reaction, event.device_id
        case ErasureRequested():
            return ()
