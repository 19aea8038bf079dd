"""A digest of the clean tables: equal whenever their content is equal, in whatever order and batches it came.

Left out are coordinates and clocks of the machinery (which copy of an event came first, when a dead letter was
received), and what the live guard published.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from warehouse import connection

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COORDINATES = "kafka_topic, kafka_partition, kafka_offset, kafka_line, received_at, content_hash"
_CONTENT = {
    "responses": f"SELECT * EXCLUDE ({_COORDINATES}) FROM responses",
    "reactions": f"SELECT * EXCLUDE ({_COORDINATES}) FROM reactions",
    "erasures": f"SELECT * EXCLUDE ({_COORDINATES}) FROM erasures",
    "dead_letters": "SELECT DISTINCT reason, base64(body) AS body FROM dead_letters WHERE redriven_at IS NULL",
    "flags": """SELECT rule, rule_version, subject, user_id, event_id, response_id, key, score, evidence, flagged_at,
        since FROM flags WHERE source = 'ingest'""",
    "reaction_state": "SELECT * FROM reaction_state_at(TIMESTAMPTZ '2999-01-01 00:00:00Z')",
    "clean_feedback": "SELECT * FROM clean_feedback_at(TIMESTAMPTZ '2999-01-01 00:00:00Z', 0)",
}


def fingerprint(path: str | Path) -> str:
    """SHA-256 over all clean tables of a warehouse; see `fingerprints` for one each.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    parts = [f"{name}:{value}" for name, value in fingerprints(path).items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def fingerprints(path: str | Path) -> dict[str, str]:
    """Rows and SHA-256 of each clean table, as `rows:hash`: two warehouses that differ show where.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    tables = tqdm(_CONTENT.items(), desc="counting", unit="table", disable=None, leave=False)
    with connection.open(path).read() as reader, tables:
        return {name: _of(reader, query) for name, query in tables}


def _of(reader: DuckDBPyConnection, query: str) -> str:
    found = reader.execute(
        f"""SELECT count(*), sha256(coalesce(string_agg(digest, '' ORDER BY digest), ''))
        FROM (SELECT md5(CAST(to_json(content) AS VARCHAR)) AS digest FROM ({query}) AS content)"""
    ).fetchone()
    assert found is not None
    return f"{found[0]}:{found[1]}"
