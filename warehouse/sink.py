"""Ingest: a Kafka consumer whose positions live in the warehouse, in the transaction that stores the rows.

Exactly-once effect: shuffle, duplicate, delay, crash and replay the stream in any way, the clean tables come out
identical. Kafka's committed offsets are only a hint for tools that show lag. Left out: transactions of Kafka (not
needed, and not every broker has them).
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from streams.topics import TOPICS, Topics
from warehouse import connection
from warehouse.ingest.log import TopicShrankError
from warehouse.ingest.worker import IngestReport, SinkWorker

__all__ = ["IngestReport", "TopicShrankError", "ingest"]


def ingest(
    warehouse_path: str | Path,
    bootstrap: str,
    *,
    group: str = "loveloop-ingest",
    topics: Topics = TOPICS,
    until_caught_up: bool = False,
    batch_rows: int = 50_000,
    batch_seconds: float = 1.0,
    session_seconds: float = 6.0,
    poll_seconds: float = 300.0,
    wait_seconds: float = 30.0,
    timeout: float = 10.0,
    stop: threading.Event | None = None,
    progress: bool = True,
) -> IngestReport:
    """Move events from the broker into the warehouse, each exactly once.

    1. Migrate the warehouse and read each topic's id and end. A topic that was made anew has another id and is read
       from its start.
    2. Join the group and, whenever partitions are assigned, seek to the warehouse's positions. With `until_caught_up`,
       take all partitions at once: a bounded read does not wait for a group, and the warehouse refuses what another
       worker has stored.
    3. Collect records until there are `batch_rows` messages' worth of lines or `batch_seconds` have passed.
    4. Decode them, and store rows, flags, dead letters and positions in one transaction (`commit`). When another worker
       has moved a position, drop the batch and seek to what is stored.
    5. Copy dead letters to their topic: after the commit, which knows whose were erased. A crash in between leaves them
       out there; the warehouse's table is the exact one.
    6. Tell Kafka the offsets, as a hint.
    7. End when `stop` is set or, with `until_caught_up`, when the warehouse holds everything that the topics held at
       step 1, whoever stored it.

    Args:
        warehouse_path: A DuckDB file; made when it is not there.
        bootstrap: `HOST:PORT` of the broker.
        group: Consumer group; workers of one group share the partitions.
        topics: Names.
        until_caught_up: End when caught up; otherwise run until stopped.
        batch_rows: Lines of one transaction, at least (a message is never split).
        batch_seconds: How long an incomplete batch waits.
        session_seconds: After this long without a sign of life the broker gives the partitions to others.
        poll_seconds: After this long without progress in the worker's loop it does so too.
        wait_seconds: How long a transaction waits while another process has the warehouse open.
        timeout: Seconds to wait for the broker at the start.
        stop: Set it to end.
        progress: Show a progress bar on a terminal.

    Raises:
        BrokerUnavailableError: No broker answers at `bootstrap`, or it stopped answering (`until_caught_up` only).
        TopicShrankError: A topic ends before the stored position.
        WarehouseError: The warehouse cannot be opened.
    """
    started = time.monotonic()
    store = connection.open(warehouse_path, wait_seconds=wait_seconds)
    store.migrate()
    with SinkWorker(
        store, bootstrap, group=group, topics=topics, session_seconds=session_seconds, poll_seconds=poll_seconds,
        batch_rows=batch_rows, batch_seconds=batch_seconds, until_caught_up=until_caught_up, progress=progress,
        timeout=timeout,
    ) as worker:  # fmt: skip
        worker.run(stop or threading.Event())
    store.checkpoint()
    worker.report.seconds = time.monotonic() - started
    return worker.report
