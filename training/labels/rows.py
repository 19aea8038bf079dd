"""The rows of a Parquet, CSV or NDJSON file as plain mappings, whatever its columns are."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

SUFFIXES = (".parquet", ".csv", ".ndjson", ".jsonl")


def open_rows(path: Path) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    """The names of a file's columns, and its rows.

    Raises:
        ValueError: Another suffix, or a file that is not what its suffix says; names the row or line.
    """
    match path.suffix.lower():
        case ".parquet":
            return _parquet(path)
        case ".csv":
            return _csv(path)
        case ".ndjson" | ".jsonl":
            rows = list(_ndjson(path))
            return [*dict.fromkeys(name for row in rows for name in row)], iter(rows)
        case other:
            raise ValueError(f"{path} ends in {other!r}, must be one of {', '.join(SUFFIXES)}")


def _parquet(path: Path) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} is not a Parquet file: {error}") from None
    batches = table.to_batches(max_chunksize=10_000)
    return table.column_names, (row for batch in batches for row in batch.to_pylist())


def _csv(path: Path) -> tuple[list[str], Iterator[Mapping[str, Any]]]:
    csv.field_size_limit(2**31 - 1)  # a conversation may be longer than the default of 128 KiB
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns = list(reader.fieldnames or [])
            rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not CSV in UTF-8: {error}") from None
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise ValueError(
                f"{path}, row {number:,} does not have the {len(columns)} fields of the header; put texts in quotes"
            )
    return columns, iter(rows)


def _ndjson(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number:,} is not JSON ({error}); write one object a line") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {number:,} is not a JSON object; write one object a line")
        yield row
