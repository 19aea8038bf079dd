"""What the live guard published (flags and live metrics), stored to be shown. It never decides what is learnt.

The guard speaks at least once, so a flag that is there already is dropped, and a newer telling of a window replaces the
older one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streams.live_counts import Flag, LoveRate

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_WINDOW = ("metric", "partition_id", "experiment", "arm", "policy", "window_start")

_NEW_FLAG = """INSERT INTO flags
SELECT 'live', $1, $2, $3, $4, NULL, NULL, $5, $6, $7
WHERE NOT EXISTS (FROM flags WHERE source = 'live' AND rule = $1 AND user_id = $4 AND flagged_at = $7)"""


def store_flags(connection: DuckDBPyConnection, flags: Sequence[Flag]) -> int:
    """Insert the flags that are new; returns how many lines were read."""
    rows = [
        (
            flag.rule,
            flag.rule_version,
            flag.subject,
            flag.user_id,
            flag.score,
            json.dumps(flag.evidence, sort_keys=True),
            flag.flagged_at,
        )
        for flag in flags
    ]
    if rows:  # a few at most: a flag is raised once for a user and a burst
        connection.executemany(_NEW_FLAG, rows)
    return len(flags)


def store_metrics(connection: DuckDBPyConnection, metrics: Sequence[LoveRate]) -> int:
    """Keep the newest telling of each window, set-wise; returns how many lines were read."""
    newest = {(m.metric, m.partition, m.experiment, m.arm, m.policy, m.window_start): m for m in metrics}
    if newest:
        connection.register("told", _table(newest))
        same = " AND ".join(f"live_metrics.{name} IS NOT DISTINCT FROM told.{name}" for name in _WINDOW)
        connection.execute(f"DELETE FROM live_metrics USING told WHERE {same}")
        connection.execute("INSERT INTO live_metrics BY NAME FROM told")
        connection.unregister("told")
    return len(metrics)


def _table(newest: Mapping[tuple[Any, ...], LoveRate]) -> pa.Table:
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    types = (pa.string(), pa.int32(), pa.string(), pa.string(), pa.string(), moment)
    columns = dict(zip(_WINDOW, map(pa.array, zip(*newest, strict=True), types), strict=True))
    values = {"window_seconds": pa.int32(), "served": pa.int64(), "loves": pa.int64(), "value": pa.float64()}
    for name, kind in (values | {"measured_at": moment}).items():
        columns[name] = pa.array([getattr(each, name) for each in newest.values()], kind)
    return pa.table(columns)
