"""What the live guard published (flags, live metrics, trips), stored to be shown. It never decides what is learnt.

The guard delivers at least once, so a flag or trip that is there already is dropped, and a newer snapshot of a window
replaces the older one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streams.live.messages import ArmWindow, Flag, Trip

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

_WINDOW = ("metric", "partition_id", "experiment", "arm", "policy", "window_start")

_NEW_FLAG = """INSERT INTO flags (source, rule, rule_version, subject, user_id, key, score, evidence, flagged_at)
SELECT 'live', $1, $2, $3, $4, $5, $6, $7, $8
WHERE NOT EXISTS (
    FROM flags WHERE source = 'live' AND rule = $1 AND subject = $3
    AND user_id IS NOT DISTINCT FROM $4 AND key IS NOT DISTINCT FROM $5 AND flagged_at = $8
)"""
_TRIP = Trip.__struct_fields__
_NEW_TRIP = f"""INSERT INTO kill_switches ({", ".join(_TRIP)})
SELECT {", ".join(f"${name}" for name in _TRIP)}
WHERE NOT EXISTS (FROM kill_switches WHERE experiment = $experiment AND arm = $arm AND metric = $metric)"""


def store_flags(connection: DuckDBPyConnection, flags: Sequence[Flag]) -> int:
    """Insert the flags that are new; returns how many lines were read."""
    rows = [
        (
            flag.rule,
            flag.rule_version,
            flag.subject,
            flag.user_id,
            flag.key,
            flag.score,
            json.dumps(flag.evidence, sort_keys=True),
            flag.flagged_at,
        )
        for flag in flags
    ]
    if rows:  # a few at most: a flag is raised once for a user and a burst, a device or network and a minute
        connection.executemany(_NEW_FLAG, rows)
    return len(flags)


def store_trips(connection: DuckDBPyConnection, trips: Sequence[Trip]) -> int:
    """Insert the trips that are new; returns how many lines were read."""
    for trip in trips:
        connection.execute(_NEW_TRIP, {name: getattr(trip, name) for name in _TRIP})
    return len(trips)


def store_metrics(connection: DuckDBPyConnection, metrics: Sequence[ArmWindow]) -> int:
    """Keep the newest snapshot of each window, set-wise; returns how many lines were read."""
    newest = {(m.metric, m.partition, m.experiment, m.arm, m.policy, m.window_start): m for m in metrics}
    if newest:
        connection.register("told", _table(newest))
        same = " AND ".join(f"live_metrics.{name} IS NOT DISTINCT FROM told.{name}" for name in _WINDOW)
        connection.execute(f"DELETE FROM live_metrics USING told WHERE {same}")
        connection.execute("INSERT INTO live_metrics BY NAME FROM told")
        connection.unregister("told")
    return len(metrics)


def _table(newest: Mapping[tuple[Any, ...], ArmWindow]) -> pa.Table:
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    types = (pa.string(), pa.int32(), pa.string(), pa.string(), pa.string(), moment)
    columns = dict(zip(_WINDOW, map(pa.array, zip(*newest, strict=True), types), strict=True))
    values = {"window_seconds": pa.int32(), "served": pa.int64(), "loves": pa.int64(), "closings": pa.int64()}
    for name, kind in (values | {"value": pa.float64(), "measured_at": moment}).items():
        columns[name] = pa.array([getattr(each, name) for each in newest.values()], kind)
    return pa.table(columns)
