"""What became of every line of a storm, by one warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from storm_parts.gun import Landed
from streams.events import ErasureRequested, Event, ReactionChanged, ResponseServed
from streams.topics import TOPICS
from warehouse import connection
from warehouse.connection import Target

Place = tuple[str, int, int, int]
_TABLES = ("responses", "reactions", "erasures")


@dataclass
class Tally:
    """Lines of one combination of broker and back end; sent = stored + dead_letters + duplicates + lost.

    Attributes:
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


def count(target: Target, landed: Sequence[Landed], tally: Tally) -> Tally:
    """Look every line up by its coordinates; a copy is looked up by its event."""
    with connection.open(target).read() as reader:
        places = ", ".join(f"kafka_{name}" for name in ("topic", "partition", "offset", "line"))
        rows: dict[Place, str] = {
            row[:4]: row[4]
            for name in _TABLES
            for row in reader.execute(f"SELECT {places}, CAST(event_id AS VARCHAR) FROM {name}").fetchall()
        }
        dead = dict[Place, str](
            (row[:4], row[4]) for row in reader.execute(f"SELECT {places}, reason FROM dead_letters").fetchall()
        )
        texts = _texts(reader)
        counted = reader.execute("SELECT topic, sum(events) FROM ingest_positions GROUP BY topic").fetchall()
    tally.reasons = dict(Counter(dead.values()).most_common())
    groups = {each.group: each.offset for each in landed if each.group >= 0}
    known = set(rows.values())
    seen: set[Place] = set()
    live: Counter[str] = Counter()
    for each in landed:
        tally.records += each.group < 0 or groups[each.group] == each.offset
        if each.shot.topic == TOPICS.guard_counts:
            continue
        if each.shot.topic != TOPICS.events:
            live[each.shot.topic] += 1
            continue
        if each.group >= 0:
            _count_batch(each, groups[each.group], dead, seen, tally)
            continue
        for number, line in enumerate(each.shot.lines):
            place = (TOPICS.events, each.partition, each.offset, number)
            seen.add(place)
            tally.sent += 1
            if place in rows:
                tally.stored += 1
                tally.changed += line.event is not None and texts[rows[place]] != _said(line.event)
            elif line.copy and line.event is not None and line.event.event_id in known:
                tally.duplicates += 1
            elif place in dead:
                tally.dead_letters += 1
                _note_good(tally, line.event, f"{place} {dead[place]}")
            elif line.event is not None and line.event.event_id in known:  # the copy was read before it
                tally.duplicates += 1
            else:
                tally.lost += 1
                _note_good(tally, line.event, f"{place} lost {line.text[:120]!r}")
    for topic, lines in live.items():
        read = int(dict(counted).get(topic, 0))
        tally.sent += lines
        tally.dead_letters += (broken := sum(place[0] == topic for place in dead))
        tally.stored += min(read, lines) - broken
        tally.lost += max(0, lines - read)
    tally.rolled_back_stored = sum(place not in seen for place in rows)
    return tally


def _count_batch(each: Landed, last: int, dead: dict[Place, str], seen: set[Place], tally: Tally) -> None:
    """A batch that cannot be read is one dead letter, at its last offset."""
    if each.offset == last:
        place = (TOPICS.events, each.partition, last, 0)
        seen.add(place)
        tally.sent += 1
        tally.dead_letters += place in dead
        tally.lost += place not in dead


def _note_good(tally: Tally, event: Event | None, what: str) -> None:
    if event is not None:
        tally.good_lost += 1
        tally.examples = [*tally.examples, what][:10]


def _texts(reader: Any) -> dict[str, tuple[Any, ...]]:
    """What tests compare of every stored event, by its id."""
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
