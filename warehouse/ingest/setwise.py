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
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
from numpy.typing import NDArray

from streams import events, wire
from streams.events import Event
from warehouse.ingest.column_checks import accept
from warehouse.ingest.columns import TAG, WIRE

_PART_LINES = 800
"""Lines that are parsed together: enough that a call costs little, few enough that a bad line spoils little."""
_MOST_DOUBTS = 8
"""Bad lines of a part that are looked for by splitting it; what is left then is read line by line."""
_SPLIT = 8


class ReadLines(NamedTuple):
    """What was read.

    Attributes:
        tables: By kind: the columns of `CONTENT`, then `record` (index) and `kafka_line`.
        doubtful: (record, line number) of lines that were not accepted.
        lines: How many lines each message has.
    """

    tables: dict[type[Event], pa.Table]
    doubtful: list[tuple[int, int]]
    lines: list[int]


class _ParsePart(NamedTuple):
    """Lines to parse together: their text, and of each line its record and its number."""

    text: bytes
    record: NDArray[np.int32]
    line: NDArray[np.int32]

    def pieces(self) -> list[_ParsePart]:
        lines = self.text.split(b"\n")
        size = -(-len(lines) // _SPLIT)
        return [self._slice(lines, slice(at, at + size)) for at in range(0, len(lines), size)]

    def _slice(self, lines: list[bytes], which: slice) -> _ParsePart:
        return _ParsePart(b"\n".join(lines[which]), self.record[which], self.line[which])


def read(values: Sequence[bytes | None], latest: NDArray[np.int64], mine: Sequence[int]) -> ReadLines:
    """Read messages into tables.

    Args:
        values: The bytes of every record of a batch.
        latest: The latest moment that its lines may name (us since 1970), int64[records].
        mine: Indices of the records to read.
    """
    read = ReadLines({}, [], [])
    parsed: list[tuple[_ParsePart, pa.Table]] = []
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


def _parts(values: Sequence[bytes | None], mine: Sequence[int], read: ReadLines) -> Iterator[_ParsePart]:
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
    """How many lines a message has, when each begins with `{` and ends with `}` and none holds a NUL; else 0."""
    if value[:1] != b"{" or value[-1:] != b"}" or len(value) > events.LONGEST_LINE:
        return 0
    signs = np.frombuffer(value, np.uint8)
    if _may_hold_nul(value, signs) and events.NUL in value:
        return 0
    if b"\n" not in value:
        return 1
    breaks = np.flatnonzero(signs == ord("\n"))
    fit = (signs[breaks - 1] == ord("}")).all() and (signs[breaks + 1] == ord("{")).all()
    return len(breaks) + 1 if fit else 0


def _may_hold_nul(value: bytes, signs: NDArray[np.uint8]) -> bool:
    """Whether a backslash stands before a `u`: in long texts that is seen several times as fast as NUL's six signs."""
    if b"\\" not in value:
        return False
    escapes = np.flatnonzero(signs[:-1] == ord("\\"))
    return bool((signs[escapes + 1] == ord("u")).any())


def _fit_part(record: int, value: bytes, read: ReadLines) -> Iterator[_ParsePart]:
    """The lines of a message that begin with `{`, end with `}` and hold no NUL; the others are doubtful."""
    lines = wire.unpack(value)
    read.lines.append(len(lines))
    fit = [
        line[:1] == b"{" and line[-1:] == b"}" and len(line) <= events.LONGEST_LINE and events.NUL not in line
        for line in lines
    ]
    read.doubtful.extend((record, number) for number, fits in enumerate(fit) if not fits)
    numbers = np.flatnonzero(fit).astype(np.int32)
    if len(numbers):
        yield _ParsePart(b"\n".join([lines[number] for number in numbers]), np.full_like(numbers, record), numbers)


def _part(values: Sequence[bytes | None], records: Sequence[int], counts: Sequence[int]) -> _ParsePart:
    text = b"\n".join([values[record] for record in records])  # type: ignore[misc]  # none of them is None
    many = np.array(counts)
    first = np.repeat(np.cumsum(many) - many, many)
    return _ParsePart(
        text, np.repeat(np.array(records, np.int32), many), (np.arange(len(first)) - first).astype(np.int32)
    )


def _parse_all(part: _ParsePart, parsed: list[tuple[_ParsePart, pa.Table]], doubtful: list[tuple[int, int]]) -> None:
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


def _parse(part: _ParsePart) -> pa.Table | None:
    """One row a line with the columns of `WIRE` and `extra`, or None when something in there is not as it should."""
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
        parse_options=pj.ParseOptions(explicit_schema=WIRE, unexpected_field_behavior=unexpected),
    )


def _unknown(text: bytes) -> pa.Array:
    """The unknown fields of each line, as JSON."""
    lines = text.split(b"\n")
    read = [msgspec.json.decode(line) for line in lines]
    if any(map(events.is_deep, lines, read)):
        raise RecursionError
    found = [events.unknown_fields(fields) for fields in read]
    return pa.array([extra_text(extra) for extra in found], pa.string())


def extra_text(extra: dict[str, object]) -> str | None:
    """Unknown fields as the tables hold them: JSON, or None when there are none."""
    return json.dumps(extra, sort_keys=True, ensure_ascii=False) if extra else None


def _sort_out(whole: pa.Table, read: ReadLines) -> None:
    """Accept the rows of each kind; the others are doubtful."""
    left = np.ones(whole.num_rows, np.bool_)
    for tag, kind in TAG.items():
        mine = pc.fill_null(pc.equal(whole["type"], tag), False)
        read.tables[kind], fine = accept(kind, whole.filter(mine))
        left[np.flatnonzero(mine.to_numpy())[fine]] = False
    places = (whole[name].to_numpy()[left].tolist() for name in ("record", "kafka_line"))
    read.doubtful.extend(zip(*places, strict=True))
