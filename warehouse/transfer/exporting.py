"""Export: the log as events of the contract in the order of time, or one table, as a file.

Memory stays flat: events are read in spans of time that hold some 50,000 rows, tables are streamed by DuckDB. The file
appears under its name when it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from streams.whole_file import whole
from warehouse import connection, maturity
from warehouse.ingest.columns import CONTENT
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer.files import EXPORTED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.connection import Target

ROWS_AT_ONCE = 50_000
TABLES = (
    "clean_feedback", "responses", "reactions", "reaction_state", "served", "waiting_reactions", "flags",
    "quarantined_users", "quarantined_reactions", "dead_letters", "erasures", "ingest_positions", "live_metrics",
)  # fmt: skip
_AT_A_MOMENT = {
    "clean_feedback": "clean_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours)",
    "reaction_state": "reaction_state_at(CAST($moment AS TIMESTAMPTZ))",
    "waiting_reactions": "waiting_reactions_at(CAST($moment AS TIMESTAMPTZ))",
}


class Exported(NamedTuple):
    """What was written.

    Attributes:
        rows: Events or rows of the table.
        erasures: Requests for erasure that are not among the events: the warehouse knows no more than hashes of their
            users.
    """

    rows: int
    erasures: int = 0


def export_events(target: Target, out: Path, *, progress: bool = True) -> Exported:
    """Write every response and reaction as an event of the contract, in the order of time.

    The file can be imported again: ids, versions and unknown fields are kept. One snapshot of the warehouse is read; on
    a DuckDB file writers wait until it is done.

    Args:
        target: The warehouse.
        out: `.jsonl` (`.ndjson`) or `.parquet`; replaced when it is there.
        progress: Show a progress bar on a terminal.

    Raises:
        WarehouseError: Another suffix, or as `Warehouse.read`.
    """
    from tqdm import tqdm

    writers: dict[str, Callable[[Path], AbstractContextManager[Callable[[pa.Table], None]]]] = {
        ".jsonl": _jsonl, ".ndjson": _jsonl, ".parquet": _parquet,
    }  # fmt: skip
    writer = writers.get(out.suffix)
    if writer is None:
        raise WarehouseError(f"{out.name}: events are written as {', '.join(writers)}")
    with connection.open(target).read() as reader, whole(out) as part, writer(part) as write:
        spans = _spans(reader)
        total = sum(span.rows for span in spans)
        with tqdm(total=total, desc="export", unit="event", disable=None if progress else True) as bar:
            for span in spans:
                write(reader.execute(_EVENTS, {"first": span.first, "end": span.end}).to_arrow_table())
                bar.update(span.rows)
        erasures = reader.execute("SELECT count(*) FROM erasures").fetchone() or (0,)
    return Exported(total, int(erasures[0]))


def export_table(
    target: Target, table: str, out: Path, *, as_of: datetime | None = None, maturity_hours: float = 24.0
) -> Exported:
    """Write one table or view as Parquet or CSV.

    Args:
        target: The warehouse.
        table: One of `TABLES`.
        out: `.parquet` or `.csv`; replaced when it is there.
        as_of: Judge states and maturity at this moment; now if left out. Only for what has a state.
        maturity_hours: For clean_feedback: younger responses are left out.

    Raises:
        WarehouseError: Another table or suffix, a moment where none is asked for, or as `Warehouse.read`.
    """
    formats = {".parquet": "(FORMAT parquet, COMPRESSION zstd)", ".csv": "(FORMAT csv, HEADER)"}
    if table not in TABLES:
        raise WarehouseError(f"no table {table!r} to export: there are {', '.join(TABLES)}")
    if out.suffix not in formats:
        raise WarehouseError(f"{out.name}: tables are written as {', '.join(formats)}")
    if as_of is not None and table not in _AT_A_MOMENT:
        raise WarehouseError(f"{table} has no state at a moment: only {', '.join(_AT_A_MOMENT)} take one")
    moment = {"moment": (as_of or datetime.now(UTC)).isoformat(), "hours": maturity.age(maturity_hours)}
    source = _AT_A_MOMENT.get(table, table)
    for name, value in moment.items():
        source = source.replace(f"${name}", repr(value))
    with connection.open(target).read() as reader, whole(out) as part:
        path = str(part).replace("'", "''")
        done = reader.execute(f"COPY (FROM {source}) TO '{path}' {formats[out.suffix]}").fetchone() or (0,)
    return Exported(int(done[0]))


class _Span(NamedTuple):
    first: datetime
    end: datetime
    rows: int


def _spans(reader: DuckDBPyConnection) -> list[_Span]:
    """Spans of time that hold few enough rows each, an hour at least."""
    hours = reader.execute(_HOURS).fetchall()
    spans: list[_Span] = []
    for hour, rows in hours:
        if spans and spans[-1].rows + rows <= ROWS_AT_ONCE:
            spans[-1] = _Span(spans[-1].first, hour + timedelta(hours=1), spans[-1].rows + rows)
        else:
            spans.append(_Span(hour, hour + timedelta(hours=1), rows))
    return spans


@contextmanager
def _jsonl(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    with path.open("wb") as stream:
        yield lambda events: stream.writelines(_line(event) for event in events.to_pylist())


def _line(event: Mapping[str, Any]) -> bytes:
    fields = {name: value for name, value in event.items() if value is not None and name != "extra"}
    extra = event["extra"]
    if extra and "conversation" in fields and "conversation" in json.loads(extra):
        del fields["conversation"]  # unknown fields in its messages: they are all there
    line = msgspec.json.encode(fields)
    return line[:-1] + (b"," + extra.encode()[1:] if extra else b"}") + b"\n"


@contextmanager
def _parquet(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        yield lambda events: writer.write_table(events.cast(_SCHEMA.remove_metadata()).cast(_SCHEMA))


_TYPES = {name: dtype for kind in CONTENT.values() for name, dtype in kind.items() if name != "requested_at"}
_SCHEMA = pa.schema({"type": pa.string()} | _TYPES, metadata={EXPORTED: b"events of the contract"})
_MESSAGES = '\'[{"role":"VARCHAR","content":"VARCHAR"}]\''


def _select(table: str, tag: str, moment: str) -> str:
    own = next(kind for kind in CONTENT.values() if moment in kind)
    special = {
        "type": f"'{tag}'",
        "event_id": "CAST(event_id AS VARCHAR)",
        "conversation": f"from_json(conversation, {_MESSAGES})" if "conversation" in own else "NULL",
    }
    names = [special.get(name, name if name in own else "NULL") + f" AS {name}" for name in _SCHEMA.names]
    return f"SELECT {', '.join(names)} FROM {table} WHERE {moment} >= $first AND {moment} < $end"


_EVENTS = f"""
FROM (
    {_select("responses", "response_served", "served_at")}
    UNION ALL
    {_select("reactions", "reaction_changed", "reacted_at")}
)
ORDER BY coalesce(served_at, reacted_at), event_id
"""
_HOURS = """
SELECT date_trunc('hour', moment) AS hour, count(*)
FROM (SELECT served_at AS moment FROM responses UNION ALL SELECT reacted_at FROM reactions)
GROUP BY hour ORDER BY hour
"""
