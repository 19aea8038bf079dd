"""Files of events or of other people's rows, read from a given line on: JSON lines, JSON arrays, CSV, Parquet.

Text may be compressed (.gz, .zst). Memory stays flat: JSON that is one array or one object alone is held whole.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from streams import mending
from streams.events import ContractError, parse
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import tables, texts
from warehouse.transfer.envelopes import are_rows, rows_in
from warehouse.transfer.foreign import PLAIN, Mapped, name_columns, to_lines

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
EXPORTED = tables.EXPORTED
NOT_UTF_8 = "rows of a CSV file that are not in UTF-8: dead letters; export the file as UTF-8"
_HALF = "\ufdd0"
"""Stands for half a character until the row is a line: a sign that no text may hold, and that U+FFFD may not be."""
_HALF_ESCAPED = rb"\ud800"
_BLANK = re.compile(r"\s*")
_CANNOT = (OSError, EOFError, pa.ArrowException, UnicodeError)


def lines(path: Path, columns: Mapped, *, skip: int = 0, told: Counter[str] | None = None) -> Iterator[bytes]:
    """The rows of a file as lines of the wire. JSON lines without a mapping are handed on byte by byte.

    Args:
        path: The file.
        columns: How its rows become events.
        skip: Number of lines to leave out.
        told: Counts what was changed on the way, by rule.

    Raises:
        WarehouseError: A file of another kind, or one that cannot be read as what its name says.
    """
    kind = kind_of(path)
    with _readable(path):
        if kind == ".parquet":
            one_each = len(columns.parts) == 1 and not columns.parts[0].only
            rows = tables.parquet_rows(path, skip if one_each else 0, told)
            found = chain.from_iterable(to_lines(row, columns, told) for row in rows)
            yield from found if one_each else _after(found, skip, told)
        elif kind in (".csv", ".tsv"):
            cells = tables.csv_rows(path, name_columns(columns), told)
            yield from _after(chain.from_iterable(_of_cells(row, columns, told) for row in cells), skip, told)
        else:
            yield from _after(_of_json(path, columns, told), skip, told)


def _after(found: Iterator[bytes], skip: int, told: Counter[str] | None) -> Iterator[bytes]:
    """Lines but the first ones: these were stored before, and what was changed in them was told then."""
    before = Counter(told or {})
    for _ in islice(found, skip):
        pass
    if skip and told is not None:
        told.clear()
        told.update(before)
    yield from found


def kind_of(path: Path) -> str:
    """One of `SUFFIXES`, whatever the compression. Raises WarehouseError for another."""
    packed = path.suffix.lower() in texts.COMPRESSIONS
    kind = (path.with_suffix("").suffix if packed else path.suffix).lower()
    if kind not in SUFFIXES or (kind == ".parquet" and packed):
        known = ".jsonl, .ndjson, .json, .csv, .tsv (each also .gz, .zst) or .parquet"
        raise WarehouseError(f"{path.name} is none of the files that can be read: {known}")
    return kind


def rows_of(path: Path) -> int | None:
    """How many rows a Parquet file has; None for others, which would have to be read. Errors as `lines`."""
    with _readable(path):
        return pq.ParquetFile(path).metadata.num_rows if kind_of(path) == ".parquet" else None


def columns_of(path: Path, columns: Mapped = PLAIN) -> list[str]:
    """The columns of a table, or the keys of the first JSON row. Errors as `lines`."""
    with _readable(path):
        if kind_of(path) == ".parquet":
            return list(pq.read_schema(path).names)
        if kind_of(path) in (".csv", ".tsv"):
            return tables.csv_columns(path)
        first = next(iter(_json_rows(path, columns, None)), None)
    row = _parsed(first) if isinstance(first, bytes) else first
    return list(row) if isinstance(row, dict) else []


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the file when its bytes are not what its name says."""
    try:
        yield
    except _CANNOT as error:
        raise WarehouseError(f"{path} cannot be read as {kind_of(path)[1:]}: {error}") from error


def digest(path: Path, *more: str) -> str:
    """SHA-256 of a file's bytes and some texts, in hexadecimal."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256")
    for text in more:
        found.update(b"\0" + text.encode())
    return found.hexdigest()


def _of_json(path: Path, columns: Mapped, told: Counter[str] | None) -> Iterator[bytes]:
    as_they_are = columns == PLAIN
    for row in _json_rows(path, columns, told):
        if as_they_are:
            yield row if isinstance(row, bytes) else _line(row)
            continue
        found = _parsed(row, told) if isinstance(row, bytes) else row
        if isinstance(found, dict):
            yield from map(_halved, to_lines(found, columns, told))
        else:  # the judge will say what is wrong with it
            yield row if isinstance(row, bytes) else _line(row)


def _line(value: Any) -> bytes:
    return _halved(msgspec.json.encode(value))


def _halved(line: bytes) -> bytes:
    """A line with halves of characters where they were, for the judge: in a name it takes none, elsewhere it mends."""
    return line.replace(_HALF.encode(), _HALF_ESCAPED)


def _json_rows(path: Path, columns: Mapped, told: Counter[str] | None) -> Iterable[Any]:
    """Rows of JSON: lines that are still bytes, or values where the file is one value or holds rows in a field.

    1. A .json file that begins with `[`, or whose first line is no JSON by itself, is one value, or several.
    2. A list of objects is its rows, as is an object that holds rows in a field (`envelopes.rows_in`); a file may have
       one such page a line.
    """
    found = texts.not_blank(texts.lines(path, told))
    first = next(found, None)
    if first is None:
        return ()
    alone = _parsed(first)
    if kind_of(path) == ".json" and (first.startswith(b"[") or (alone is None and first.startswith(b"{"))):
        return _rows(_whole(path, told), columns, told)
    every = chain([first], found)
    page = rows_in(alone, columns) is not None if isinstance(alone, dict) else are_rows(alone)
    if page:
        return chain.from_iterable(_rows(_parsed(line, told), columns, told, line) for line in every)
    return every


def _rows(value: Any, columns: Mapped, told: Counter[str] | None, line: bytes = b"") -> Iterable[Any]:
    if isinstance(value, list):
        return value
    inside = rows_in(value, columns, told) if isinstance(value, dict) else None
    return [value if value is not None else line] if inside is None else inside


def _whole(path: Path, told: Counter[str] | None) -> Any:
    """A file's one value; several, one after the other over whatever lines, as a list."""
    text = texts.whole(path)
    try:
        return _mended(text, told)
    except ContractError as error:
        several = _several(text, told)
        if several is None:
            raise WarehouseError(f"{path} cannot be read as one JSON value: {error}") from error
        return several


def _several(text: bytes, told: Counter[str] | None) -> list[Any] | None:
    """Objects that stand one after the other; None for anything else."""
    found: list[Any] = []
    try:
        whole, at = text.decode().strip(), 0
        while at < len(whole):
            value, at = json.JSONDecoder().raw_decode(whole, at)
            found.append(value)
            blank = _BLANK.match(whole, at)
            at = blank.end() if blank else at
    except (ValueError, RecursionError):
        return None
    return _counted(mending.mend(found, _HALF), told) if all(isinstance(each, dict) for each in found) else None


def _of_cells(row: dict[str, Any] | list[str], columns: Mapped, told: Counter[str] | None) -> Iterator[bytes]:
    """The events of a CSV row. One of another length than the header, or not in UTF-8, is left to the judge."""
    cells = row if isinstance(row, list) else ["" if cell is None else str(cell) for cell in row.values()]
    try:
        if isinstance(row, dict):
            yield from list(to_lines(row, columns, told))
        else:
            yield msgspec.json.encode(cells)
    except UnicodeEncodeError:
        if told is not None:
            told[NOT_UTF_8] += 1
        yield _joined(cells).encode(errors="surrogateescape")


def _joined(cells: Iterable[str]) -> str:
    """Cells as one line of CSV."""
    made: list[str] = []
    csv.writer(_Sink(made)).writerow(cell.replace("\n", " ") for cell in cells)
    return made[0].strip()


class _Sink:
    """Where a CSV writer writes."""

    def __init__(self, made: list[str]) -> None:
        self.write = made.append


def _parsed(line: bytes, told: Counter[str] | None = None) -> Any:
    try:
        return _mended(line, told)
    except ContractError:
        return None


def _mended(text: bytes, told: Counter[str] | None) -> Any:
    """The value that a text is; numbers that no JSON can hold are null, their rows counted. `_HALF` is for halves."""
    return _counted(parse(text, _HALF), told)


def _counted(mended: mending.Mended, told: Counter[str] | None) -> Any:
    value, lost = mended
    numbers = [path for path, what in lost.items() if what != mending.HALF]
    if numbers and told is not None:
        told[mending.NO_NUMBER] += len({path.partition(".")[0] for path in numbers}) if isinstance(value, list) else 1
    return value
