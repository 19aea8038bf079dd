"""Re-driving: open dead letters are judged again by the present contract.

A letter that is found good becomes what ingest would have made of it, at its own coordinates and with its own time of
receipt, as if the log had been read by today's program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from streams import events
from streams.mending import MENDED
from warehouse import connection as back_end
from warehouse.dead_letters import PLACE, Letter, find, select
from warehouse.ingest import positions
from warehouse.ingest.columns import COORDINATES, RECEIVED
from warehouse.ingest.commit import store
from warehouse.ingest.decoding import Batch, decode_batch
from warehouse.ingest.owners import user_of
from warehouse.ingest.records import Coordinates, Record, Unreadable
from warehouse.storage.transaction import WarehouseConflictError, WarehouseError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

_AT_ONCE = 20_000


@dataclass
class Redriven:
    """What one call of `redrive` did.

    Attributes:
        judged: Letters looked at.
        outcomes: How many were stored, duplicate or erased.
        failing: How many stay, by the reason that they have today.
    """

    judged: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)


def redrive(
    target: Target,
    *,
    only: Sequence[Coordinates] | None = None,
    reason: str | None = None,
    corrected: bytes | None = None,
    values: Mapping[str, Any] | None = None,
    dry_run: bool = False,
) -> Redriven:
    """Judge open letters again by the present contract; running it twice changes nothing.

    Up to 20,000 letters of one life of a topic at a time, each such part in one transaction:

    1. Decode them, each with its own time of receipt, lines of the live guard's topics by its shapes. What still fails
       stays as it is.
    2. Mark the others as re-driven.
    3. Store them as ingest does: copies are dropped, conflicting ones go on being dead letters, erased users' lines are
       left out, flags are brought up to date.
    4. Note each one's outcome, and move it from the count of dead letters to the right one where it had been read.

    Args:
        target: The warehouse.
        only: These letters; all that are open if left out.
        reason: Only those of this reason.
        corrected: What to read in place of the one letter's bytes: a JSON object.
        values: Fields to fill in where letters lack them: what they say is null, NaN or not there.
        dry_run: Do step 1 and tell; copies, conflicts and erased users are not noticed.

    Raises:
        WarehouseError: A letter that is not there, a correction for more than one, or one that is no JSON.
    """
    if corrected is not None:
        corrected = _one_line(corrected, only)
    for where in only or ():
        find(target, where)
    warehouse, done = back_end.open(target), Redriven()
    after: tuple[str | int, ...] = ("", "", -1, -1, -1)
    while True:
        try:
            with warehouse.read() if dry_run else warehouse.transaction() as connection:
                letters = _open_letters(connection, only, reason, after)
                if not letters:
                    return done
                read = [replace(letter, corrected=corrected or _filled(letter, values)) for letter in letters]
                batch = _RedrivenBatch(read)
                outcomes, failing = _judge(connection, batch, dry_run=dry_run)
        except WarehouseConflictError:  # nothing of this part was stored: again
            continue
        done.judged += len(letters)
        done.outcomes.update(outcomes.values())
        done.failing.update(failing.values())
        after = (letters[-1].topic_id or "", *letters[-1].where)


def _filled(letter: Letter, values: Mapping[str, Any] | None) -> bytes | None:
    """A letter's line with what it lacks filled in; None where it lacks none of it, or is no JSON object."""
    if not values:
        return None
    try:
        fields, lost = events.parse(letter.body)
    except events.ContractError:
        return None
    lacking = {name: value for name, value in values.items() if isinstance(fields, dict) and fields.get(name) is None}
    other = {path: what for path, what in lost.items() if path not in lacking}
    return msgspec.json.encode(fields | lacking | ({MENDED: other} if other else {})) if lacking else None


class _RedrivenBatch(Batch):
    """A batch of letters at their own coordinates."""

    def __init__(self, letters: Sequence[Letter]) -> None:
        records = [_record(letter, number) for number, letter in enumerate(letters)]
        decoded = decode_batch(records)
        super().__init__(records)
        self.letters = {letter.where: letter for letter in letters}
        self.flags = decoded.flags
        self.metrics = decoded.metrics
        self.trips = decoded.trips
        self.spans = decoded.spans
        self.dead = [replace(letter, coordinates=letters[letter.coordinates.offset].where) for letter in decoded.dead]
        places = zip(*(letter.where for letter in letters), strict=True)
        columns = [pa.array(values, dtype) for values, dtype in zip(places, COORDINATES.values(), strict=True)]
        for kind, table in decoded.tables.items():
            number = table["kafka_offset"]
            content = table.drop_columns([*COORDINATES, RECEIVED])
            own = dict(zip(COORDINATES, (each.take(number) for each in columns), strict=True))
            named = {name: content[name] for name in content.column_names} | own | {RECEIVED: table[RECEIVED]}
            self.tables[kind] = pa.table(named)

    def received(self, where: Coordinates) -> tuple[bytes, datetime]:
        """As `Batch.received`."""
        letter = self.letters[where]
        return letter.line, letter.received_at


def _record(letter: Letter, number: int) -> Record:
    """A letter as a message of its own."""
    message = (letter.where.topic, 0, number, round(letter.received_at.timestamp() * 1000), letter.line)
    if letter.reason != "unreadable_batch" or letter.corrected is not None:
        return Record(*message)
    return Unreadable(*message).because(letter.detail)


def _judge(
    connection: DuckDBPyConnection, batch: _RedrivenBatch, *, dry_run: bool
) -> tuple[dict[Coordinates, str], dict[Coordinates, str]]:
    """Outcomes of the letters that are good, and reasons of the others."""
    failing = {dead.coordinates: dead.reason for dead in batch.dead}
    outcomes = {where: "stored" for where in batch.letters if where not in failing}
    batch.dead = []
    if outcomes and not dry_run:
        _store(connection, batch, outcomes, failing)
    return outcomes, failing


def _store(
    connection: DuckDBPyConnection,
    batch: _RedrivenBatch,
    outcomes: dict[Coordinates, str],
    failing: dict[Coordinates, str],
) -> None:
    """Steps 2 to 4 of `redrive`; what is found to conflict moves from `outcomes` to `failing`."""
    _mark(connection, batch, outcomes)
    stored = store(connection, batch)
    others = dict.fromkeys(stored.copies, "duplicate") | dict.fromkeys(stored.suppressed, "erased")
    conflicting = {dead.coordinates: dead.reason for dead in stored.dead}
    outcomes.update(others)
    failing.update(conflicting)
    for where in conflicting:
        del outcomes[where]
    _mark(connection, batch, others | dict.fromkeys(conflicting))
    life = next(iter(batch.letters.values())).topic_id
    positions.redriven(connection, life, outcomes)


def _mark(connection: DuckDBPyConnection, batch: _RedrivenBatch, outcomes: Mapping[Coordinates, str | None]) -> None:
    """Note outcomes; None opens a letter again. A letter that an erasure took away meanwhile stays away."""
    if not outcomes:
        return
    letters = [batch.letters[where] for where in outcomes]
    places = zip(*outcomes, strict=True)
    columns = {name: pa.array(v, t) for (name, t), v in zip(COORDINATES.items(), places, strict=True)} | {
        "topic_id": pa.array([letter.topic_id for letter in letters], pa.string()),
        "new_outcome": pa.array(list(outcomes.values()), pa.string()),
        "new_corrected": pa.array([letter.corrected for letter in letters], pa.binary()),
        "old_user": pa.array([letter.user_id for letter in letters], pa.string()),
        "new_user": pa.array([user_of(letter.line) or letter.user_id for letter in letters], pa.string()),
    }
    connection.register("judged", pa.table(columns))
    connection.execute(_MARK)
    connection.unregister("judged")


_MARK = f"""
UPDATE dead_letters SET
    redriven_at = CASE WHEN judged.new_outcome IS NULL THEN NULL ELSE now() END,
    outcome = judged.new_outcome,
    corrected = CASE WHEN judged.new_outcome IS NULL THEN NULL ELSE judged.new_corrected END,
    user_id = CASE WHEN judged.new_outcome IS NULL THEN judged.old_user ELSE judged.new_user END
FROM judged
WHERE {" AND ".join(f"dead_letters.{name} = judged.{name}" for name in COORDINATES)}
    AND dead_letters.topic_id IS NOT DISTINCT FROM judged.topic_id
"""
_ORDER = f"coalesce(topic_id, ''), {PLACE}"


def _open_letters(
    connection: DuckDBPyConnection, only: Sequence[Coordinates] | None, reason: str | None, after: Sequence[str | int]
) -> list[Letter]:
    """The next open letters, all of one life of a topic; none when there are no more."""
    asked = " OR ".join([f"({PLACE}) = (?, ?, ?, ?)"] * len(only)) if only else "true"
    found = select(
        connection,
        f"""redriven_at IS NULL AND reason = coalesce(?, reason) AND ({_ORDER}) > (?, ?, ?, ?, ?) AND ({asked})
        ORDER BY {_ORDER} LIMIT {_AT_ONCE}""",
        [reason, *after, *(value for where in only or () for value in where)],
    )
    return [letter for letter in found if letter.topic_id == found[0].topic_id]


def _one_line(corrected: bytes, only: Sequence[Coordinates] | None) -> bytes:
    if only is None or len(only) != 1:
        raise WarehouseError("a correction is for one dead letter: name exactly one")
    try:
        return msgspec.json.encode(msgspec.json.decode(corrected))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise WarehouseError(f"the correction is no JSON: {error}; nothing was changed") from None
