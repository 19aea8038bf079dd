"""The load: events of about 330 bytes as the synthetic world mixes them, and the truth about them.

95 responses to 5 reactions, 2 % copies (of an event within the last thousand), 5 in 10,000 lines malformed, 17
responses a user. Event time runs at `PER_DAY` events a day and ends a minute before the load is written, so that it can
follow on a history.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.events import Event, Message, ReactionChanged, ResponseServed, encode, new_event_id

PER_DAY = 333_333
"""Events a day in event time: 10 million in 30 days."""
STEP = timedelta(days=1) / PER_DAY
COPIES, MALFORMED = 0.02, 0.0005
QUESTIONS = (
    "when should i visit peru?", "how do i keep basil alive?", "what is a haiku?", "can you help me say no?",
    "why is the sky red tonight?", "how long do eggs boil?", "what should i read next?", "tell me of the sea.",
)  # fmt: skip
ANSWERS = (
    "water it from below.", "the best month is july.", "it is easy to remember.", "that surprises a lot of people.",
    "seven minutes will do.", "i am glad that you asked.", "is it near a window?", "try the first chapter twice.",
)  # fmt: skip
BROKEN = (b'{"type":"response_served","event_id":', b"[1, 2]", b'{"type":"nothing"}', b'{"type":"reaction_changed"}')
REACTIONS = ("love", "like", "like", "like", "dislike")


@dataclass
class Truth:
    """What must stand in the warehouse after the load has been read once or more often."""

    events: int = 0
    responses: int = 0
    reactions: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    bytes: int = 0

    def of(self, found: dict[str, int]) -> str:
        """Empty when the tables of a contender hold this truth, else what differs."""
        expected = asdict(self)
        return ", ".join(
            f"{name} {found[name]:,} not {expected[name]:,}" for name in found if found[name] != expected[name]
        )


def clean(count: int, *, seed: int, start: datetime, step: timedelta = STEP) -> Iterator[Event]:
    """Events without copies or malformed lines, in order of time; a reaction follows its response within 900 events."""
    drawn = random.Random(seed)
    users = max(10, count // 17)
    recent: list[ResponseServed] = []
    for number in range(count):
        moment = start + number * step
        if number % 20 == 19 and len(recent) > 20:
            yield _reaction(moment, recent[-drawn.randrange(1, min(900, len(recent)))], drawn)
            continue
        name, user = f"{seed:x}{number:06x}", f"u{seed:x}{drawn.randrange(users):05x}"
        event = response(moment, name, user, drawn)
        recent.append(event)
        if len(recent) > 4_000:
            del recent[:3_000]
        yield event


def write(path: Path, count: int, *, seed: int, end: datetime | None = None) -> Truth:
    """Write a load of `count` lines, with copies and malformed lines among them."""
    start = (end or datetime.fromtimestamp(time.time() - 60, UTC)) - count * STEP
    drawn = random.Random(~seed)
    truth, recent = Truth(), []
    events = clean(count, seed=seed, start=start)
    with path.open("wb") as file:
        for _ in range(count):
            chance = drawn.random()
            if chance < MALFORMED:
                line, truth.dead_letters = drawn.choice(BROKEN) + b" %d" % truth.dead_letters, truth.dead_letters + 1
            elif chance < MALFORMED + COPIES and recent:
                line, truth.duplicates = drawn.choice(recent), truth.duplicates + 1
            else:
                event = next(events)
                line = encode(event)
                recent = [*recent[-1_000:], line] if len(recent) > 2_000 else recent
                recent.append(line)
                truth.responses += isinstance(event, ResponseServed)
                truth.reactions += isinstance(event, ReactionChanged)
            file.write(line + b"\n")
            truth.bytes += len(line)
    truth.events = count
    return truth


def response(moment: datetime, name: str, user: str, drawn: random.Random) -> ResponseServed:
    """A response of that moment; `name` stands in its ids."""
    return ResponseServed(
        event_id=new_event_id(moment, drawn.getrandbits(74)), user_id=user, served_at=moment, response_id=f"r{name}",
        conversation_id=f"c{name}", turn=0, session_id=f"s{name}", policy="v7",
        conversation=[Message("user", drawn.choice(QUESTIONS))], response=drawn.choice(ANSWERS),
    )  # fmt: skip


def _reaction(moment: datetime, shown: ResponseServed, drawn: random.Random) -> ReactionChanged:
    return ReactionChanged(
        event_id=new_event_id(moment, drawn.getrandbits(74)), user_id=shown.user_id, reacted_at=moment,
        response_id=shown.response_id, reaction=drawn.choice(REACTIONS), action="added", session_id=shown.session_id,
        device_id=f"d{shown.user_id}", network_id=f"n{shown.user_id[-4:]}", dwell_ms=drawn.randrange(1_000, 30_000),
    )  # fmt: skip
