"""Reading lines set-wise: one pass of pyarrow's JSON reader makes columns of whole messages, no Python object a line.

What is accepted here, `streams.events.decode` accepts with the same values (a property test holds them together); it is
the judge, and every line about which this reader has the least doubt is left to it: unknown types, other spellings of a
moment, names of reactions that are not plain, blanks around a line.

pyarrow reads a stream of JSON values, not lines. Lines that begin with `{` and end with `}` are safe: between two of
them no value can go on (JSON has a comma there), so as many rows as lines means one row a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from numpy.typing import NDArray

from streams import events, wire
from streams.events import ErasureRequested, Event, ReactionChanged, ResponseServed
from warehouse.ingest.columns import CONTENT, MOMENT, MOMENT_OF, TAG

_SCHEMA = pa.schema(
    {"type": pa.string()}
    | {
        name: pa.string() if dtype is MOMENT else dtype
        for columns in CONTENT.values()
        for name, dtype in columns.items()
        if name != "extra"
    }
)
_PART_LINES = 800
"""Lines that are parsed together: enough that a call costs little, few enough that a bad line spoils little."""
_MOST_DOUBTS = 8
"""Bad lines of a part that are looked for by splitting it; what is left then is read line by line."""
_SPLIT = 8
_ID = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$"
_MAY_BE_ABSENT = {"experiment", "arm", "device_id", "network_id", "dwell_ms", "schema_version", "extra"}
_BOUNDS = {"turn": (0, 2**63 - 1), "dwell_ms": (0, 2**63 - 1), "schema_version": (1, 2**31 - 1)}
_KEYS = {
    "user_id",
    "response_id",
    "conversation_id",
    "session_id",
    "policy",
    "experiment",
    "arm",
    "device_id",
    "network_id",
}
_PLAIN_REACTIONS = pa.array(["love", "like", "dislike"])
_ACTIONS = pa.array(["added", "removed"])
_ROLES = pa.array(["system", "user", "assistant"])


class Read(NamedTuple):
    """What was read.

    Attributes:
        tables: By kind: the columns of `CONTENT`, then `record` (index) and `kafka_line`.
        doubtful: (record, line number) of lines that were not accepted.
        lines: How many lines each message has.
    """

    tables: dict[type[Event], pa.Table]
    doubtful: list[tuple[int, int]]
    lines: list[int]


class _Part(NamedTuple):
    """Lines to parse together: their text, and of each line its record and its number."""

    text: bytes
    record: NDArray[np.int32]
    line: NDArray[np.int32]

    def pieces(self) -> list[_Part]:
        lines = self.text.split(b"\n")
        size = -(-len(lines) // _SPLIT)
        return [self._slice(lines, slice(at, at + size)) for at in range(0, len(lines), size)]

    def _slice(self, lines: list[bytes], which: slice) -> _Part:
        return _Part(b"\n".join(lines[which]), self.record[which], self.line[which])


def read(values: Sequence[bytes | None], latest: NDArray[np.int64], mine: Sequence[int]) -> Read:
    """Read messages into tables.

    Args:
        values: The bytes of every record of a batch.
        latest: The latest moment that its lines may name (us since 1970), int64[records].
        mine: Indices of the records to read.
    """
    read = Read({}, [], [])
    parsed: list[tuple[_Part, pa.Table]] = []
    for part in _parts(values, mine, read):
        _parse_all(part, parsed, read.doubtful)
    if parsed:
        whole = pa.concat_tables([table for _, table in parsed]).combine_chunks()
        record = np.concatenate([part.record for part, _ in parsed])
        line = np.concatenate([part.line for part, _ in parsed])
        columns = {"record": record, "kafka_line": line, "latest": latest[record]}
        for name, column in columns.items():
            whole = whole.append_column(name, pa.array(column))
        _sort_out(whole, read)
    return read


def _parts(values: Sequence[bytes | None], mine: Sequence[int], read: Read) -> Iterator[_Part]:
    """Whole messages together until there are lines enough; a message with other lines than fit ones alone."""
    held: list[int] = []
    counts: list[int] = []
    lines = 0
    for record in mine:
        value = values[record] or b""
        count = _fit_lines(value)
        if lines >= _PART_LINES or (held and not count):
            yield _part(values, held, counts)
            held, counts, lines = [], [], 0
        if count:
            held.append(record)
            counts.append(count)
            lines += count
            read.lines.append(count)
        else:
            yield from _fit_part(record, value, read)
    if held:
        yield _part(values, held, counts)


def _fit_lines(value: bytes) -> int:
    """How many lines a message has, when each begins with `{` and ends with `}`; else 0."""
    if value[:1] != b"{" or value[-1:] != b"}" or len(value) > events.LONGEST_LINE:
        return 0
    breaks = value.count(b"\n")
    return breaks + 1 if not breaks or breaks == value.count(b"}\n{") else 0


def _fit_part(record: int, value: bytes, read: Read) -> Iterator[_Part]:
    """The lines of a message that begin with `{` and end with `}`; the others are doubtful."""
    lines = wire.unpack(value)
    read.lines.append(len(lines))
    fit = [line[:1] == b"{" and line[-1:] == b"}" and len(line) <= events.LONGEST_LINE for line in lines]
    read.doubtful.extend((record, number) for number, fits in enumerate(fit) if not fits)
    numbers = np.flatnonzero(fit).astype(np.int32)
    if len(numbers):
        yield _Part(b"\n".join([lines[number] for number in numbers]), np.full_like(numbers, record), numbers)


def _part(values: Sequence[bytes | None], records: Sequence[int], counts: Sequence[int]) -> _Part:
    text = b"\n".join([values[record] for record in records])  # type: ignore[misc]  # none of them is None
    many = np.array(counts)
    first = np.repeat(np.cumsum(many) - many, many)
    return _Part(text, np.repeat(np.array(records, np.int32), many), (np.arange(len(first)) - first).astype(np.int32))


def _parse_all(part: _Part, parsed: list[tuple[_Part, pa.Table]], doubtful: list[tuple[int, int]]) -> None:
    """Parse a part; where that fails its pieces, down to the lines that cannot be parsed."""
    open_, doubts = [part], 0
    while open_:
        part = open_.pop()
        table = _parse(part)
        if table is not None:
            parsed.append((part, table))
        elif len(part.line) == 1 or doubts >= _MOST_DOUBTS:
            doubtful += zip(part.record.tolist(), part.line.tolist(), strict=True)
            doubts += 1
        else:
            open_ += reversed(part.pieces())


def _parse(part: _Part) -> pa.Table | None:
    """One row a line with the columns of `_SCHEMA` and `extra`, or None when something in there is not as it should."""
    extra: pa.Array | None = None
    try:
        try:
            table = _json(part.text, "error")
        except pa.ArrowInvalid as error:
            if "unexpected field" not in str(error):
                return None
            table, extra = _json(part.text, "ignore"), _unknown(part.text)
        if table.num_rows != len(part.line):
            return None
        table.validate(full=True)  # pyarrow's reader lets invalid UTF-8 pass
    except (pa.ArrowInvalid, msgspec.MsgspecError, UnicodeError, RecursionError, KeyError, TypeError, AttributeError):
        return None  # the judge will say what is wrong with which line
    return table.append_column("extra", extra if extra is not None else pa.nulls(table.num_rows, pa.string()))


def _json(text: bytes, unexpected: str) -> pa.Table:
    return pj.read_json(
        pa.BufferReader(text),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pj.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior=unexpected),
    )


def _unknown(text: bytes) -> pa.Array:
    """The unknown fields of each line, as JSON."""
    found = [events.unknown_fields(fields) for fields in map(msgspec.json.decode, text.split(b"\n"))]
    return pa.array([extra_text(extra) for extra in found], pa.string())


def extra_text(extra: dict[str, object]) -> str | None:
    """Unknown fields as the tables hold them: JSON, or None when there are none."""
    return json.dumps(extra, sort_keys=True, ensure_ascii=False) if extra else None


def _sort_out(whole: pa.Table, read: Read) -> None:
    """Accept the rows of each kind; the others are doubtful."""
    left = np.ones(whole.num_rows, np.bool_)
    for tag, kind in TAG.items():
        mine = pc.fill_null(pc.equal(whole["type"], tag), False)
        read.tables[kind], fine = _accept(kind, whole.filter(mine))
        left[np.flatnonzero(mine.to_numpy())[fine]] = False
    places = (whole[name].to_numpy()[left].tolist() for name in ("record", "kafka_line"))
    read.doubtful.extend(zip(*places, strict=True))


def _accept(kind: type[Event], rows: pa.Table) -> tuple[pa.Table, NDArray[np.bool_]]:
    """The rows of one kind that keep the contract beyond doubt, and which they are (bool[n])."""
    columns = CONTENT[kind]
    fine = pc.match_substring_regex(rows["event_id"], _ID)
    for check in _checks(kind, rows):
        fine = pc.and_(fine, check)
    mask = pc.fill_null(fine, False)
    if not pc.all(mask, min_count=0).as_py():
        rows = rows.filter(mask)
    name = MOMENT_OF[kind]
    moment = _moments(rows[name])
    in_range = pc.and_(
        pc.greater_equal(moment, pa.scalar(events.EARLIEST, MOMENT)),
        pc.less_equal(moment.cast(pa.int64()), rows["latest"]),
    )
    in_range = pc.fill_null(in_range, False)
    accepted = rows.set_column(rows.column_names.index(name), name, moment)
    version = accepted.column_names.index("schema_version")
    accepted = accepted.set_column(version, "schema_version", pc.fill_null(accepted["schema_version"], 1))
    chosen = mask.to_numpy().copy()
    if not pc.all(in_range, min_count=0).as_py():
        accepted = accepted.filter(in_range)
        chosen[np.flatnonzero(chosen)[~in_range.to_numpy()]] = False
    return accepted.select([*columns, "record", "kafka_line"]), chosen


def _moments(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts of the form `_TIME` as moments; null for a day or an hour that does not exist."""
    try:
        return texts.cast(MOMENT)
    except pa.ArrowInvalid:  # one of them is enough
        return pa.chunked_array([pa.array([_moment(text) for text in texts.to_pylist()], MOMENT)])


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _checks(kind: type[Event], rows: pa.Table) -> Iterator[pa.ChunkedArray]:
    """Boolean columns, one for each rule of the contract; null counts as broken."""
    columns = CONTENT[kind]
    for name in _SCHEMA.names:
        if name not in (*columns, "type") and rows[name].null_count < rows.num_rows:
            yield pc.is_null(rows[name])  # known to another kind, so unknown to this one
    for name in columns:
        column = rows[name]
        if name in _KEYS:
            yield _or_absent(name, column, _between(pc.binary_length(column), 1, 256))
        elif name in _BOUNDS:
            yield _or_absent(name, column, _between(column, *_BOUNDS[name]))
    yield pc.match_substring_regex(rows[MOMENT_OF[kind]], _TIME)
    yield from _own_checks(kind, rows)


def _own_checks(kind: type[Event], rows: pa.Table) -> Iterator[pa.ChunkedArray]:
    if kind is ResponseServed:
        yield pc.is_valid(rows["response"])
        yield pc.equal(pc.is_valid(rows["experiment"]), pc.is_valid(rows["arm"]))
        yield pc.greater(pc.list_value_length(rows["conversation"]), 0)
        yield _sound_messages(rows["conversation"])
    elif kind is ReactionChanged:
        yield pc.is_in(rows["reaction"], _PLAIN_REACTIONS)
        yield pc.is_in(rows["action"], _ACTIONS)
    else:
        assert kind is ErasureRequested


def _sound_messages(conversations: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether every message of each conversation has a known role and a content."""
    flat = pc.list_flatten(conversations)
    sound = pc.and_(
        pc.fill_null(pc.is_in(pc.struct_field(flat, "role"), _ROLES), False),
        pc.is_valid(pc.struct_field(flat, "content")),
    )
    result = np.ones(len(conversations), np.bool_)
    if not pc.all(sound, min_count=0).as_py():
        owners = pc.list_parent_indices(conversations).to_numpy()
        result[owners[~sound.to_numpy()]] = False
    return pa.chunked_array([pa.array(result)])


def _between(column: pa.ChunkedArray, least: int, most: int) -> pa.ChunkedArray:
    return pc.and_(pc.greater_equal(column, least), pc.less_equal(column, most))


def _or_absent(name: str, column: pa.ChunkedArray, check: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_kleene(pc.is_null(column), check) if name in _MAY_BE_ABSENT else check
