"""How far a warehouse has come, in a few numbers: when they are the same, the clean feedback is the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warehouse import connection, maturity
from warehouse.storage.sql_files import query

_FILTER = """
SELECT
    (SELECT count(*) FROM quarantine_decisions) AS decisions,
    (SELECT CAST(max(decided_at) AS VARCHAR) FROM quarantine_decisions) AS last_decided_at,
    (SELECT count(*) FROM erasures) AS erasures
"""
_FLAGS = """
SELECT
    (SELECT count(*) FROM flags WHERE source <> 'live') AS flags,
    (SELECT CAST(max(flagged_at) AS VARCHAR) FROM flags WHERE source <> 'live') AS last_flagged_at,
    (SELECT CAST(round(sum(trust), 6) AS VARCHAR) FROM user_trust) AS trust
"""


def log_snapshot(path: str | Path, *, maturity_hours: float) -> dict[str, Any]:
    """What has been read of the log, and how much of it is mature now.

    Args:
        path: The warehouse.
        maturity_hours: Younger responses are unlabelled.

    Returns:
        Counts of `responses`, `reactions`, `erasures`, `dead_letters` and `mature` responses; `last_served_at` and
        `last_reacted_at` as text.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    return _one(
        path, query(__file__, "log_snapshot"), {"moment": datetime.now(UTC), "hours": maturity.age(maturity_hours)}
    )


def filter_snapshot(path: str | Path, *, with_flags: bool) -> dict[str, Any]:
    """What people decided about flags, and who asked to be erased; with `with_flags` also what the rules flagged.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    decided = _one(path, _FILTER, {})
    return decided | _one(path, _FLAGS, {}) if with_flags else decided


def _one(path: str | Path, asked: str, parameters: dict[str, Any]) -> dict[str, Any]:
    with connection.open(path).read() as reader:
        row: dict[str, Any] = reader.execute(asked, parameters).to_arrow_table().to_pylist()[0]
    return row
