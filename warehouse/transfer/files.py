"""Files of events or of other people's rows, read from a given row on: JSON lines, JSON arrays, Parquet.

JSON may be compressed (.gz, .zst). Memory stays flat: a JSON array alone is held whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from streams.events import ContractError, parse
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer.foreign import Columns, to_line

SUFFIXES = (".jsonl", ".ndjson", ".json", ".parquet")
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
EXPORTED = b"loveloop.events"
"""Metadata of a Parquet file that `exporting` wrote: its column `extra` holds unknown fields as JSON."""
_BLOCK = 4 * 1_048_576
_LONGEST = 64 * 1_048_576
_AT_ONCE = 4_096


def lines(path: Path, columns: Columns, *, skip: int = 0) -> Iterator[bytes]:
    """The rows of a file as lines of the wire. JSON lines without a mapping are handed on byte by byte.

    Args:
        path: The file.
        columns: How its rows become events.
        skip: Leave out so many rows.

    Raises:
        WarehouseError: A file of another kind, or one that cannot be read as what its name says.
    """
    kind = kind_of(path)
    with _readable(path):
        if kind == ".parquet":
            yield from (to_line(row, columns) for row in _parquet_rows(path, skip))
        elif kind == ".json" and _is_array(path):
            yield from (_mapped(row, columns) for row in islice(_array(path), skip, None))
        else:
            raw = islice(_text_lines(path), skip, None)
            yield from (_mapped_text(line, columns) for line in raw) if columns != Columns() else raw


def kind_of(path: Path) -> str:
    """One of `SUFFIXES`, whatever the compression. Raises WarehouseError for another."""
    kind = path.with_suffix("").suffix if path.suffix in COMPRESSIONS else path.suffix
    if kind.lower() not in SUFFIXES or (kind == ".parquet" and path.suffix in COMPRESSIONS):
        known = ".jsonl, .ndjson, .json (each also .gz, .zst) or .parquet"
        raise WarehouseError(f"{path.name} is none of the files that can be read: {known}")
    return kind.lower()


def rows_of(path: Path) -> int | None:
    """How many rows a Parquet file has; None for others, which would have to be read. Errors as `lines`."""
    with _readable(path):
        return pq.ParquetFile(path).metadata.num_rows if kind_of(path) == ".parquet" else None


def columns_of(path: Path) -> list[str]:
    """The columns of a Parquet file, or the keys of the first JSON row. Errors as `lines`."""
    with _readable(path):
        if kind_of(path) == ".parquet":
            return list(pq.read_schema(path).names)
        source = _array(path) if kind_of(path) == ".json" and _is_array(path) else map(_parsed, _text_lines(path))
        first = next(iter(source), None)
    return list(first) if isinstance(first, dict) else []


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Name the file when its bytes are not what its name says."""
    try:
        yield
    except (OSError, EOFError, pa.ArrowException) as error:
        raise WarehouseError(f"{path} cannot be read as {kind_of(path)[1:]}: {error}") from error


def digest(path: Path, *more: str) -> str:
    """SHA-256 of a file's bytes and some texts, in hexadecimal."""
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256")
    for text in more:
        found.update(b"\0" + text.encode())
    return found.hexdigest()


def _parquet_rows(path: Path, skip: int) -> Iterator[dict[str, Any]]:
    file = pq.ParquetFile(path)
    groups = list(range(file.metadata.num_row_groups))
    while groups and skip >= (size := file.metadata.row_group(groups[0]).num_rows):
        groups, skip = groups[1:], skip - size
    exported = EXPORTED in (file.schema_arrow.metadata or {})
    for batch in file.iter_batches(batch_size=_AT_ONCE, row_groups=groups) if groups else ():
        left = batch.slice(min(skip, batch.num_rows))
        skip -= batch.num_rows - left.num_rows
        rows = _to_microseconds(left).to_pylist()
        yield from map(_with_extra, rows) if exported else rows


def _to_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Python's time stamps have no nanoseconds."""
    for place, column in enumerate(batch.schema):
        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            shorter = batch.column(place).cast(pa.timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(place, column.name, shorter)
    return batch


def _with_extra(row: dict[str, Any]) -> dict[str, Any]:
    extra = row.pop("extra", None)
    return row | json.loads(extra) if extra else row


def _text_lines(path: Path) -> Iterator[bytes]:
    """Lines that are not blank."""
    rest = b""
    with pa.input_stream(str(path), compression=COMPRESSIONS.get(path.suffix)) as stream:
        while block := stream.read(_BLOCK):
            *whole, rest = (rest + block).split(b"\n")
            if len(rest) > _LONGEST:
                raise WarehouseError(f"{path} has no line break in {_LONGEST:,} bytes: are these JSON lines?")
            yield from _not_blank(whole)
    yield from _not_blank([rest])


def _not_blank(found: Iterable[bytes]) -> Iterator[bytes]:
    return (line for each in found if (line := each.strip()))


def _is_array(path: Path) -> bool:
    with pa.input_stream(str(path), compression=COMPRESSIONS.get(path.suffix)) as stream:
        return bool(stream.read(_BLOCK).lstrip()[:1] == b"[")


def _array(path: Path) -> Sequence[Any]:
    with pa.input_stream(str(path), compression=COMPRESSIONS.get(path.suffix)) as stream:
        try:
            found = msgspec.json.decode(stream.read())
        except (msgspec.DecodeError, RecursionError) as error:
            raise WarehouseError(f"{path} cannot be read as a JSON array: {error}") from error
    return found if isinstance(found, list) else [found]


def _parsed(line: bytes) -> Any:
    try:
        return parse(line).value
    except ContractError:
        return None


def _mapped_text(line: bytes, columns: Columns) -> bytes:
    row = _parsed(line)
    return to_line(row, columns) if isinstance(row, dict) else line  # the judge will say what is wrong with it


def _mapped(row: Any, columns: Columns) -> bytes:
    return to_line(row, columns) if columns != Columns() and isinstance(row, dict) else msgspec.json.encode(row)
