"""Shuffle, copy, delay, retract, crash and replay the stream in any way: the clean tables are those of the tidy stream.

The log is lists of messages, the warehouse is real, and a dying process is a connection that refuses every further
statement. Not drawn: two different events under one event_id, since there the first one read is kept by definition.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events import Message
from streams.topics import TOPICS
from warehouse import connection, queries
from warehouse.adversary.online.affected import NEAR, SITTING
from warehouse.connection import Warehouse
from warehouse.fingerprint import fingerprints
from warehouse.ingest import positions
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.positions import PositionMovedError
from warehouse.ingest.records import Record, TopicPartition
from warehouse.storage.transaction import in_transaction

RECEIVED = 1_773_100_800_000  # ms: 2026-03-10
PARTITIONS = 3
USERS = ["ann", "bea", "cem", "dov", "eve", "fay"]
NIGHT = timedelta(hours=11, minutes=15)  # people are judged by the day
STARTS = [
    timedelta(),
    timedelta(),
    -NEAR,
    -2 * NEAR,
    NIGHT,
    NIGHT,
    NIGHT - SITTING,
    timedelta(days=-1),
    timedelta(days=-40),
]
SECONDS = [0, 1, 60, 1_500, 1_799, 1_800, 1_801, 3_300, 3_599, 3_600, 3_601]  # rules look NEAR or an hour around
TEXTS = [
    "Roses like sun, water and a little patience, and they thank you.",
    "Tea is best, said the queen to the king of all tea.",
]

Line = tuple[str, bytes]
users = st.sampled_from(USERS)
moments = st.builds(
    lambda start, second: start + timedelta(seconds=second),
    st.sampled_from(STARTS),
    st.sampled_from(SECONDS) | st.integers(0, 5_400),
)
responses = st.integers(0, 4).map("r{}".format)
dwells = st.sampled_from([90, 90, 20_000, None])


class Killed(BaseException):
    """SIGKILL, seen from inside."""


@st.composite
def lines_of_one_act(draw: Any) -> tuple[str, dict[str, Any]]:
    """What one user does: (method of the product, its arguments)."""
    acts = ["served", "served", "reacted", "reacted", "reacted", "talk", "talk", "burst", "crowd", "erasure", "broken"]
    what = draw(st.sampled_from(acts))
    common = {"user": draw(users), "at": draw(moments)}
    shown = {
        "response_id": draw(responses),
        "conversation": [Message("user", draw(st.sampled_from(["Roses?", f"Say this: {TEXTS[1]}"])))],
        "response": draw(st.sampled_from(TEXTS)),
    }
    if what == "served":
        return what, common | shown
    if what == "talk":
        changes = st.tuples(st.sampled_from(SECONDS[:4]), st.sampled_from(["added", "added", "removed"]), dwells)
        return what, common | {
            "shown": shown,
            "changes": draw(st.lists(changes, min_size=1, max_size=4)),
            "other": draw(users),
        }
    if what == "reacted":
        return what, common | {
            "response_id": draw(responses),
            "device_id": draw(st.sampled_from([None, "d1"])),
            "network_id": draw(st.sampled_from([None, "n1"])),
            "reaction": draw(st.sampled_from(["love", "love", "like", "dislike", "wow"])),
            "action": draw(st.sampled_from(["added", "added", "removed"])),
            "dwell_ms": draw(dwells),
        }
    if what in ("burst", "crowd"):
        return what, common | {"loves": draw(st.integers(9, 15)), "shown": draw(st.integers(0, 3))}
    return what, common


stories = st.lists(lines_of_one_act(), min_size=1, max_size=25)


def tell(product: Any, story: Sequence[tuple[str, dict[str, Any]]]) -> list[Line]:
    """The tidy stream: (user, line) in the order of the moments."""
    told: list[tuple[timedelta, str, bytes]] = []
    for number, (what, arguments) in enumerate(story):
        fields = dict(arguments)
        user, offset = fields.pop("user"), fields.pop("at")
        at = product.noon + offset
        if what in ("burst", "crowd"):
            told += _spree(product, what, user, offset, **fields)
        elif what == "talk":
            told += _talk(product, user, offset, **fields)
        elif what == "broken":
            told.append((offset, user, f'{{"type": "wave", "user_id": "{user}", "n": {number}}}'.encode()))
        elif what == "erasure":
            told.append((offset, user, product.erasure(user, at)))
        else:
            told.append((offset, user, getattr(product, what)(user=user, at=at, **fields)))
    return [(user, line) for _, user, line in sorted(told, key=lambda each: each[0])]


def _talk(
    product: Any, user: str, start: timedelta, *, shown: dict[str, Any], changes: list[Any], other: str
) -> Iterator[tuple[timedelta, str, bytes]]:
    """A response and what its user does with it, the last change perhaps by somebody else."""
    yield start, user, product.served(user=user, at=product.noon + start, **shown)
    for number, (second, action, dwell) in enumerate(changes):
        who, at = other if number == 3 else user, start + timedelta(seconds=second)
        moment = product.noon + at
        yield at, who, product.reacted(shown["response_id"], who, moment, action=action, dwell_ms=dwell)


def _spree(
    product: Any, what: str, user: str, start: timedelta, *, loves: int, shown: int
) -> Iterator[tuple[timedelta, str, bytes]]:
    """Many loves by one user every five minutes, or one by each user from one device; some were shown more."""
    for number in range(loves):
        who = user if what == "burst" else USERS[number % len(USERS)]
        for name in range(shown):
            at = start + timedelta(minutes=5 * number, seconds=-name)
            yield at, who, product.served(f"{who} {number} {name}", who, product.noon + at)
        at = start + timedelta(minutes=5 * number, seconds=10)
        place = {"device_id": "d1", "network_id": "n1"} if what == "crowd" else {}
        yield at, who, product.reacted(f"{who} {number} 0", who, product.noon + at, **place)


class Chaos(NamedTuple):
    """How badly the stream is treated.

    Attributes:
        seed: Of every choice below.
        copies: Chance that a line comes again.
        deaths: Chance that a transaction's process dies in its middle.
        forgets: Chance that a worker does not hear of its own commit, or goes back to an earlier offset.
        pack: Lines of a message, at most; a batch has as many messages.
    """

    seed: int
    copies: float
    deaths: float
    forgets: float
    pack: int


chaos = st.builds(
    Chaos,
    st.integers(0, 2**32),
    st.floats(0, 1),
    st.sampled_from([0, 0.3, 0.6]),
    st.sampled_from([0, 0.3]),
    st.integers(1, 8),
)


def log_of(lines: Sequence[Line], how: Chaos) -> list[list[Record]]:
    """Partitions of packed messages: each user's lines in one partition, in any order, some more than once."""
    draw = random.Random(how.seed)
    every = [*lines, *(line for line in lines if draw.random() < how.copies)]
    draw.shuffle(every)
    log: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    for number, partition in enumerate(log):
        mine = [line for user, line in every if USERS.index(user) % PARTITIONS == number]
        while mine:
            taken = draw.randint(1, how.pack)
            partition.append(Record(TOPICS.events, number, len(partition), RECEIVED, b"\n".join(mine[:taken])))
            mine = mine[taken:]
    return log


class Dying:
    """A connection whose process dies: so many statements are carried out, then none, not even ROLLBACK."""

    def __init__(self, connection: Any, statements: int) -> None:
        self._connection, self._left = connection, statements

    def execute(self, *arguments: Any) -> Any:
        if self._left <= 0:
            raise Killed
        self._left -= 1
        return self._connection.execute(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@dataclass(frozen=True)
class Doomed:
    """A warehouse as `commit` sees it, for the last transaction of a process."""

    warehouse: Warehouse
    statements: int

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self.warehouse.connect() as connection:
            dying = Dying(connection, self.statements)
            with in_transaction(dying):  # type: ignore[arg-type]
                yield dying


@dataclass
class Reader:
    """A worker that believes its own positions until the warehouse refuses them."""

    warehouse: Warehouse
    log: list[list[Record]]
    believed: dict[int, int] = field(default_factory=dict)

    def look(self) -> dict[int, int]:
        with self.warehouse.read() as connection:
            stored = {slot.partition: offset for slot, offset in positions.read(connection).items()}
        self.believed = {partition: stored.get(partition, 0) for partition in range(PARTITIONS)}
        return self.believed

    def step(self, draw: random.Random, how: Chaos) -> None:
        """Read some partitions and store what was read; die, be refused, or fail to hear of it."""
        mine = draw.sample(range(PARTITIONS), draw.randint(1, PARTITIONS))
        reads = {n: self.log[n][self.believed[n] :][: draw.randint(1, how.pack)] for n in mine}
        batch = decode_batch([record for n in mine for record in reads[n]])
        expected = {TopicPartition(TOPICS.events, "life", n): self.believed[n] for n in mine if reads[n]}
        place: Any = Doomed(self.warehouse, draw.randint(0, 25)) if draw.random() < how.deaths else self.warehouse
        try:
            if expected:
                commit(place, batch, expected)
        except (Killed, PositionMovedError):
            self.look()
            return
        if draw.random() >= how.forgets:
            self.believed |= {slot.partition: batch.spans[slot.topic, slot.partition].next for slot in expected}
        elif draw.random() < 0.5:
            self.believed |= {n: draw.randint(0, self.believed[n]) for n in mine}


def chaotic(empty: Path, log: list[list[Record]], how: Chaos) -> tuple[dict[str, str], dict[str, int]]:
    """Fingerprints and counts after two workers have fought over the log, and one has ended the work in peace."""
    draw = random.Random(how.seed + 1)
    with tempfile.TemporaryDirectory() as directory:
        warehouse = connection.open(shutil.copy(empty, directory))
        workers = [Reader(warehouse, log), Reader(warehouse, log)]
        for worker in workers:
            worker.look()
        for _ in range(6):
            draw.choice(workers).step(draw, how)
        peace = how._replace(deaths=0, forgets=0, pack=1_000)
        while any(offset < len(log[n]) for n, offset in workers[0].look().items()):
            workers[0].step(draw, peace)
        return fingerprints(warehouse.target), queries.counts(warehouse.target)


def tidy(empty: Path, lines: Sequence[Line]) -> dict[str, str]:
    """Fingerprints of the same lines in time order, once each, in one batch."""
    with tempfile.TemporaryDirectory() as directory:
        warehouse = connection.open(shutil.copy(empty, directory))
        records = [Record(TOPICS.events, 0, 0, RECEIVED, b"\n".join(line for _, line in lines))]
        commit(warehouse, decode_batch(records), {TopicPartition(TOPICS.events, "life", 0): 0})
        return fingerprints(warehouse.target)


def holds(empty: Path, product: Any, story: Sequence[tuple[str, dict[str, Any]]], how: Chaos) -> None:
    """The property."""
    lines = tell(product, story)
    log = log_of(lines, how)
    found, counts = chaotic(empty, log, how)
    assert found == tidy(empty, lines)
    assert counts["events"] == sum(
        record.value.count(b"\n") + 1 for partition in log for record in partition if record.value
    )
    parts = ("rows", "duplicates_dropped", "dead_letters", "erased")
    assert counts["events"] == sum(counts[part] for part in parts)


MANY = settings.default.max_examples if settings.get_current_profile_name() == "thorough" else 12
relaxed = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), print_blob=False
)


@pytest.mark.slow
@settings(relaxed, max_examples=MANY)
@given(story=stories, how=chaos)
def test_no_disorder_changes_the_clean_tables(story: Any, how: Chaos, *, product: Any, empty: Path) -> None:
    holds(empty, type(product)(seed=1), story, how)


@pytest.mark.slow
def test_a_response_told_twice_far_apart_is_judged_alike_in_any_order(empty: Path, product: Any) -> None:
    moments = [product.noon - NEAR * back for back in (1.9, 0.97, 0.07, 0)]
    first, second = product.served("r", "ann", moments[0]), product.served("r", "bea", moments[2])
    lines = [first, product.reacted("r", "ann", moments[1]), second, product.reacted("r", "bea", moments[3])]
    told = [("ann", line) for line in lines]
    late = [Record(TOPICS.events, 0, n, RECEIVED, lines[k]) for n, k in enumerate([1, 2, 3, 0])]
    one_by_one = Chaos(seed=0, copies=0, deaths=0, forgets=0, pack=1)
    assert chaotic(empty, [late, [], []], one_by_one)[0] == tidy(empty, told)


@pytest.mark.slow
def test_a_reaction_is_held_against_its_earlier_copy_though_a_later_batch_reaches_only_one_of_them(
    empty: Path, product: Any
) -> None:
    first, again, hour = product.noon - timedelta(seconds=1), product.noon, timedelta(hours=1)
    loves = [product.reacted("r", "ann", at, dwell_ms=20_000) for at in (first, again)]
    near = product.served("other", "eve", again + NEAR)  # sees the second love, and not the first
    elsewhere = product.served("r", "bea", again + 8 * hour)
    told = [("ann", line) for line in (product.served("r", "ann", first), *loves)] + [("eve", near), ("bea", elsewhere)]
    batches = [b"\n".join(line for _, line in told[:3]), near + b"\n" + elsewhere]
    log = [Record(TOPICS.events, 0, n, RECEIVED, batch) for n, batch in enumerate(batches)]
    assert chaotic(empty, [log, [], []], Chaos(seed=0, copies=0, deaths=0, forgets=0, pack=1))[0] == tidy(empty, told)


@pytest.mark.slow
def test_reactions_to_a_response_told_twice_far_apart_are_no_copies_in_any_order(empty: Path, product: Any) -> None:
    lines = [
        line
        for at in (product.noon, product.noon + timedelta(hours=9))
        for line in (product.served("r", "ann", at), product.reacted("r", "ann", at, dwell_ms=20_000))
    ]
    log = [Record(TOPICS.events, 0, n, RECEIVED, line) for n, line in enumerate(lines[::-1])]
    one_by_one = Chaos(seed=0, copies=0, deaths=0, forgets=0, pack=1)
    assert chaotic(empty, [log, [], []], one_by_one)[0] == tidy(empty, [("ann", line) for line in lines])
