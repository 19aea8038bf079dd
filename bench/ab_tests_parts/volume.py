"""A hundred million exposures of five million users, kept by user as ingest keeps them: how long a readout takes.

The rows are made in the warehouse's own table `experiment_users`. Not measured is what keeps it up to date: that is a
part of ingest.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from experiments.plan import Plan
from experiments.readout import read
from warehouse import connection
from warehouse.experiment_users import experiment_users

ARMS = ("control", "treatment")
PER_USER = 20
"""Exposures of a user, on average: from 1 to 39."""

_USERS = f"""
INSERT INTO experiment_users BY NAME
WITH drawn AS (
    SELECT
        number,
        1 + hash(number) % {2 * PER_USER - 1} AS exposures,
        hash(number, 'arm') % 2 AS treated,
        (hash(number, 'love') % 1_000_000) / 1e6 AS luck,
        TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(hash(number, 'first') % 1_000_000) AS first_exposure_at
    FROM generate_series(1, $users) AS users(number)
)
SELECT
    'large' AS experiment,
    CASE WHEN treated = 1 THEN 'treatment' ELSE 'control' END AS arm,
    printf('%016x', hash(number, 'id')) AS user_id,  -- in no order, as real ones
    first_exposure_at,
    first_exposure_at + to_hours(CAST(exposures AS INTEGER)) AS last_exposure_at,
    exposures,
    CAST(hash(number, 'closing') % 100 < exposures AS BIGINT) AS closings,
    CAST(luck < 0.001 * exposures * (1 + 0.1 * treated) AS BIGINT) AS loves,
    CASE WHEN luck < 0.001 * exposures * (1 + 0.1 * treated)
        THEN first_exposure_at + to_minutes(CAST(hash(number, 'hour') % 600 AS INTEGER)) END AS first_love_at
FROM drawn
"""


def measured(exposures: int) -> dict[str, Any]:
    """Seconds from the warehouse to the decision, and what they go into.

    Args:
        exposures: About so many, of a twentieth as many users.
    """
    with tempfile.TemporaryDirectory(prefix="loveloop-ab-") as folder:
        target = Path(folder) / "warehouse.duckdb"
        warehouse = connection.open(target)
        warehouse.migrate()
        print(f"volume: making {exposures // PER_USER:,} users", flush=True)
        with warehouse.transaction() as writer:
            writer.execute(_USERS, {"users": exposures // PER_USER})
        started = time.perf_counter()
        sums = experiment_users(target, "large", arms=ARMS)
        fetched = time.perf_counter()
        plan = Plan({"control": 0.5, "treatment": 0.5}, lift=0.1)
        found = read(sums.users, plan, raw=sums.raw, unique=True)
        done = time.perf_counter()
    key = "readout_100m_s" if exposures >= 100_000_000 else f"readout_{exposures // 1_000_000}m_s"
    return {
        key: round(done - started, 2),
        "readout_parts_s": {"warehouse": round(fetched - started, 2), "statistics": round(done - fetched, 2)},
        "readout_volume": {
            "users": sums.users.num_rows, "exposures": found.exposures, "decision": found.decision, "lift": found.lift
        },
    }  # fmt: skip
