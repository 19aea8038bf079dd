"""Rows of files that are tables: Parquet with its types, CSV without any."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import texts, values

EXPORTED: Final = b"loveloop.events"
"""Metadata of a Parquet file that `exporting` wrote: its column `extra` holds unknown fields as JSON."""
BINARY: Final = "columns of bytes read as text"
_AT_ONCE = 4_096
_SEPARATORS = ",;\t|"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
NAMELESS: Final = "columns of a CSV file without a name left out"
RAGGED: Final = "rows of a CSV file with more or fewer cells than its header: dead letters"
RETURNS: Final = "files whose lines end with a carriage return alone"
BLANK: Final = "rows of a CSV file without a single value left out"
_EXACT = {16: 2**11, 32: 2**24}
"""From here on a float with this many bits cannot hold every whole number."""


def parquet_rows(path: Path, skip: int, told: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file from one on; bytes are text, and time stamps have microseconds.

    Raises:
        WarehouseError: A column's name that stands there twice.
    """
    file = pq.ParquetFile(path)
    _refuse_twice(path, file.schema_arrow.names)
    groups = list(range(file.metadata.num_row_groups))
    while groups and skip >= (size := file.metadata.row_group(groups[0]).num_rows):
        groups, skip = groups[1:], skip - size
    plain = pa.schema([column.with_type(_plain(column.type)) for column in file.schema_arrow])
    bytes_in = any(_holds(column.type, _is_bytes) for column in file.schema_arrow)
    if bytes_in and told is not None:
        told[BINARY] += 1
    exported = EXPORTED in (file.schema_arrow.metadata or {})
    for batch in file.iter_batches(batch_size=_AT_ONCE, row_groups=groups) if groups else ():
        left = batch.slice(min(skip, batch.num_rows))
        skip -= batch.num_rows - left.num_rows
        columns = [
            column if column.type == each.type else column.cast(each.type, safe=False)
            for column, each in zip(left.columns, plain, strict=True)
        ]
        lists = map(_values, columns)
        rows = [dict(zip(plain.names, row, strict=True)) for row in zip(*lists, strict=True)]
        _mark_inexact(rows, plain)
        rows = [_decoded(row) for row in rows] if bytes_in else rows
        yield from map(_with_extra, rows) if exported else rows


def csv_rows(
    path: Path, names: Collection[str] = (), told: Counter[str] | None = None
) -> Iterator[dict[str, Any] | list[str]]:
    """The rows of a CSV file by its header; an empty cell is None, a row of another length is the list of its cells.

    Args:
        path: The file.
        names: Columns in which names and the like stand: `12.0` is the number 12 there, and `NULL` is none.
        told: Counts what was changed.

    Raises:
        WarehouseError: No header, a name that stands in it twice, or quotes that do not end.
    """
    reader, header, before = _csv(path, told)
    are_names = [name in names for name in header]
    try:
        for cells in reader:
            if not any(map(str.strip, cells)):
                _tell(told, BLANK, bool(cells))
            elif len(cells) == len(header):
                typed = (values.typed(cell) if named else cell for cell, named in zip(cells, are_names, strict=True))
                yield {name: None if cell == "" else cell for name, cell in zip(header, typed, strict=True) if name}
            else:
                _tell(told, RAGGED)
                yield cells
    except csv.Error as error:
        raise WarehouseError(f"{path} cannot be read as csv, at line {before + reader.line_num:,}: {error}") from None


def csv_columns(path: Path) -> list[str]:
    """The names in the header of a CSV file."""
    return _csv(path, None)[1]


def _csv(path: Path, told: Counter[str] | None) -> tuple[Any, list[str], int]:
    """What reads the rows behind the header, the header, and how many lines that took."""
    csv.field_size_limit(texts.LONGEST)
    lines = _ended((line.decode(errors="surrogateescape") for line in texts.lines(path, told)), told)
    heads = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    before, first = next(heads, (0, ""))
    if first.startswith("sep=") and len(first.strip()) == 5:  # Excel's own first line
        before, first = next(heads, (0, ""))
    signs = _QUOTED.sub("", first)
    separator = max(_SEPARATORS, key=signs.count)
    reader = csv.reader(chain([first], lines), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise WarehouseError(f"{path} cannot be read as csv, in its header at line {before:,}: {error}") from None
    _tell(told, f"columns parted by {separator!r}", separator != ",")
    _tell(told, NAMELESS, "" in header)
    _refuse_twice(path, [name for name in header if name])
    return reader, header, before - 1


def _ended(lines: Iterator[str], told: Counter[str] | None) -> Iterator[str]:
    """Lines that end in a line feed; of a file that has none, those that end in a carriage return."""
    first = next(lines, "")
    alone = not first.endswith("\n") and "\r" in first.rstrip("\r")
    _tell(told, RETURNS, alone)
    yield from (f"{line}\n" for line in first.split("\r")) if alone else (first,)
    yield from lines


def _tell(told: Counter[str] | None, what: str, holds: bool = True) -> None:
    if holds and told is not None:
        told[what] += 1


def _plain(kind: pa.DataType) -> pa.DataType:
    """The same type with microseconds in place of nanoseconds, which Python's moments do not have."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us" if kind.unit == "ns" else kind.unit, _known(kind.tz))
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    if pa.types.is_time64(kind) and kind.unit == "ns":
        return pa.time64("us")
    if pa.types.is_struct(kind):
        return pa.struct([each.with_type(_plain(each.type)) for each in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return (pa.list_ if pa.types.is_list(kind) else pa.large_list)(_plain(kind.value_type))
    return kind


def _known(zone: str | None) -> str | None:
    """A time zone that Python knows; the moments of a column are kept in UTC, whatever zone it shows them in."""
    try:
        return zone and (pa.lib.string_to_tzinfo(zone) and zone)
    except (ValueError, LookupError):
        return "UTC"


def _refuse_twice(path: Path, names: list[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise WarehouseError(f"{path}: the header names {', '.join(map(repr, twice))} twice: give each column its own")


def _holds(kind: pa.DataType, what: Any) -> bool:
    """Whether a type is such a one, or one nested in it is."""
    if pa.types.is_dictionary(kind):
        return _holds(kind.value_type, what)
    if pa.types.is_map(kind):
        return _holds(kind.key_type, what) or _holds(kind.item_type, what)
    inside = [kind.field(n).type for n in range(kind.num_fields)]
    return bool(what(kind)) or any(_holds(each, what) for each in inside)


def _is_bytes(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(test(kind) for test in tests)


def _decoded(value: Any) -> Any:
    """Bytes as text; those that are no UTF-8 as an object, which no field of the contract takes for a text."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"bytes": value.hex()}
    if isinstance(value, dict):
        return {name: _decoded(each) for name, each in value.items()}
    return [_decoded(each) for each in value] if isinstance(value, list | tuple) else value


def _values(column: pa.Array) -> list[Any]:
    """A column as Python's values; a moment beyond Python's calendar is a text that says so, which no field takes."""
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):  # one value of a column ends the whole
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar) -> Any:
    with suppress(OverflowError, ValueError):
        return scalar.as_py()
    kind = scalar.type
    if pa.types.is_nested(kind):
        return _nested(scalar)
    if pa.types.is_dictionary(kind):
        return _value(scalar.value)
    if kind.unit == "ns":
        return _value(scalar.cast(_plain(kind), safe=False))
    return f"{scalar.value} {kind.unit} since 1970"


def _nested(scalar: pa.Scalar) -> Any:
    if pa.types.is_struct(scalar.type):
        return {name: _value(each) for name, each in scalar.items()}
    if pa.types.is_map(scalar.type):
        return [(_value(each["key"]), _value(each["value"])) for each in scalar.values]
    return [_value(each) for each in scalar.values]


def _mark_inexact(rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    """Floats of few bits that are too large for whole numbers as objects, which no field of the contract takes."""
    for column in schema:
        if _holds(column.type, _is_short):
            for row in rows:
                row[column.name] = _marked(row[column.name], column.type)


def _is_short(kind: pa.DataType) -> bool:
    return kind in (pa.float16(), pa.float32())


def _marked(value: Any, kind: pa.DataType) -> Any:
    """A value with such floats within it marked."""
    if pa.types.is_dictionary(kind):
        return _marked(value, kind.value_type)
    if isinstance(value, dict):
        return {name: _marked(each, kind.field(name).type) for name, each in value.items()}
    if isinstance(value, list) and pa.types.is_map(kind):
        return [(_marked(key, kind.key_type), _marked(item, kind.item_type)) for key, item in value]
    if isinstance(value, list):
        return [_marked(each, kind.value_type) for each in value]
    if isinstance(value, float) and _is_short(kind) and _EXACT[kind.bit_width] <= abs(value) < math.inf:
        return {f"float{kind.bit_width}": value}
    return value


def _with_extra(row: dict[str, Any]) -> dict[str, Any]:
    extra = row.pop("extra", None)
    return row | json.loads(extra) if extra else row
