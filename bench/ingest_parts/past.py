"""A long past, made in the database: events whose every value follows from their number, in the order of time.

Its events can be told again one by one (`Past.events`) without reading them back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec
import pyarrow as pa

from ingest_parts import load
from streams.events import SCHEMA_VERSION, Event, Message, ReactionChanged, ResponseServed
from warehouse import connection
from warehouse.adversary import online
from warehouse.ingest.columns import CONTENT

SLICE = 1_000_000
_MAKE = (Path(__file__).parent / "past.sql").read_text().split(";\n\n")
_RESPONSES = """
SELECT
    event_id, user_id, moment AS served_at, 'r' || name AS response_id, 'c' || name AS conversation_id,
    0::BIGINT AS turn, 's' || name AS session_id, 'v7' AS policy, NULL::VARCHAR AS experiment, NULL::VARCHAR AS arm,
    '[{"role":"user","content":"' || substr($text, 1 + number * 37 % 200, 25) || '"}]' AS conversation,
    substr($text, 1 + number * 53 % 180, 20 + number % 30) AS response,
    $version::BIGINT AS schema_version, NULL::VARCHAR AS extra,
    'past' AS kafka_topic, 0 AS kafka_partition, number AS kafka_offset, 0 AS kafka_line
FROM events WHERE number % 20 <> 19
"""
_REACTIONS = """
SELECT
    event_id, user_id, moment AS reacted_at, 'r' || name AS response_id,
    (['love', 'like', 'like', 'like', 'dislike'])[1 + number // 20 % 5] AS reaction, 'added' AS action,
    's' || name AS session_id, 'd' || user_id AS device_id, 'n' || user_id[-4:] AS network_id,
    (1000 + number % 29000)::BIGINT AS dwell_ms, $version::BIGINT AS schema_version, NULL::VARCHAR AS extra,
    'past' AS kafka_topic, 0 AS kafka_partition, number AS kafka_offset, 0 AS kafka_line
FROM events WHERE number % 20 = 19
"""
_FLAGS = """
SELECT
    'ingest' AS source, 'faster_than_reading' AS rule, $rule_version AS rule_version, 'reaction' AS subject,
    user_id, event_id, 'r' || name AS response_id, 1.5 AS score, '{}' AS evidence, moment AS flagged_at
FROM events WHERE number % 2000 = 1999
"""
_TEXT = {"text": " ".join((*load.QUESTIONS, *load.ANSWERS)), "version": SCHEMA_VERSION}
_VERSION = {"version": SCHEMA_VERSION}


class Past(NamedTuple):
    """A past of `count` events (95 responses to 5 reactions) up to a moment, at `load.PER_DAY` a day."""

    count: int
    end: datetime

    def preload(self, path: Path) -> None:
        """Make a warehouse that holds it, a million events a transaction; one reaction in a hundred is flagged.

        Written by DuckDB as it comes, as `loveloop warehouse compact` leaves it: large row groups, every compression.
        """
        store = connection.open(path)
        store.migrate()
        version = next(rule.version for rule in online.rules() if rule.name == "faster_than_reading")
        with duckdb.connect(path) as opened:
            opened.execute("SET TimeZone = 'UTC'; SET checkpoint_threshold = '4GB'")
            for first in range(0, self.count, SLICE):
                last = min(first + SLICE, self.count)
                opened.execute(
                    f"CREATE OR REPLACE TEMP TABLE numbers AS SELECT range AS number FROM range({first}, {last})"
                )
                self._fill(opened)
                opened.execute("BEGIN")
                opened.execute(_insert("responses", ResponseServed, _RESPONSES), _TEXT)
                opened.execute(_insert("reactions", ReactionChanged, _REACTIONS), _VERSION)
                opened.execute(f"INSERT INTO flags BY NAME {_FLAGS}", {"rule_version": version})
                opened.execute("COMMIT")
                opened.execute("CHECKPOINT")

    def events(self, numbers: Iterable[int]) -> list[Event]:
        """The events with these numbers, as they were sent."""
        with duckdb.connect() as opened:
            opened.execute("SET TimeZone = 'UTC'")
            opened.register("numbers", pa.table({"number": pa.array(list(numbers), pa.int64())}))
            self._fill(opened)
            responses = opened.execute(_RESPONSES, _TEXT).to_arrow_table().to_pylist()
            reactions = opened.execute(_REACTIONS, _VERSION).to_arrow_table().to_pylist()
        for row in responses:
            row["conversation"] = msgspec.json.decode(row["conversation"], type=list[Message])
        return [
            *(_event(ResponseServed, row) for row in responses),
            *(_event(ReactionChanged, row) for row in reactions),
        ]

    def _fill(self, opened: duckdb.DuckDBPyConnection) -> None:
        start = int((self.end - self.count * load.STEP).timestamp() * 1e6)
        opened.execute(_MAKE[0], {"start_us": start, "step_us": load.STEP // timedelta(microseconds=1)})
        opened.execute(_MAKE[1], {"users": max(10, self.count // 17)})


def _insert(table: str, kind: type[Event], rows: str) -> str:
    """With the hash of the content that the sink stores beside each row."""
    content = ", ".join(name for name in CONTENT[kind] if name != "event_id")
    return f"INSERT INTO {table} BY NAME SELECT *, hash({content}) AS content_hash FROM ({rows})"


def _event(kind: type[Event], row: dict[str, Any]) -> Event:
    return kind(
        **{name: row[name] for name in kind.__struct_fields__ if name in row} | {"event_id": str(row["event_id"])}
    )
