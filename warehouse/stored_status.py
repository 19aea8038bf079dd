"""How ingest stands, as a small file of JSON: an operator page reads it, and needs neither warehouse nor broker for it.

No text and no user is in it. A look costs a join of the whole log, so that a look that took long is not repeated soon.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.topics import TOPICS, Topics
from streams.whole_file import whole
from warehouse import connection
from warehouse.queries import WAITING_ALARM_HOURS

if TYPE_CHECKING:
    from warehouse.connection import Target

EVERY_SECONDS = 5.0
"""Between two looks."""
_BROKER_MS = 5_000
"""For a broker to answer."""
_SHARE = 20
"""A look takes at most this part of the time."""
_QUERY = """
SELECT
    (SELECT coalesce(sum(events), 0)::BIGINT FROM ingest_positions) AS events,
    (SELECT count(*) FROM dead_letters WHERE redriven_at IS NULL) AS dead_letters,
    (SELECT count(*) FROM waiting_reactions) AS waiting,
    (
        SELECT count(*) FROM waiting_reactions_at(CAST($moment AS TIMESTAMPTZ)) WHERE epoch(waited) > $hours * 3600
    ) AS waiting_too_long
"""
_REASONS = "SELECT reason, count(*) FROM dead_letters WHERE redriven_at IS NULL GROUP BY ALL ORDER BY ALL"
_log = logging.getLogger(__name__)


def status(target: Target, bootstrap: str, *, names: Topics = TOPICS) -> dict[str, Any]:
    """What is stored, what waits, and what is still to be read.

    Args:
        target: The warehouse.
        bootstrap: `HOST:PORT` of the broker.
        names: Topics.

    Returns:
        `made_at`; `events` read; `dead_letters` that were not judged again, and `dead_letters_by_reason`; reactions
        `waiting` for their response, and of them those that have been `waiting_too_long`; `lag`, the messages of the
        events' topic that are not stored yet, None while the broker does not answer.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    now = datetime.now(UTC)
    with connection.open(target).read() as reader:
        found = reader.execute(_QUERY, {"moment": now, "hours": WAITING_ALARM_HOURS}).fetchone() or (0, 0, 0, 0)
        reasons = dict(reader.execute(_REASONS).fetchall())
        rows = reader.execute(
            "SELECT partition_id, max(next_offset) FROM ingest_positions WHERE topic = $1 GROUP BY ALL", [names.events]
        ).fetchall()
    counted = dict(zip(("events", "dead_letters", "waiting", "waiting_too_long"), found, strict=True))
    lag = _lag(bootstrap, names.events, dict(rows))
    return {"made_at": now.isoformat(timespec="seconds"), **counted, "dead_letters_by_reason": reasons, "lag": lag}


def _lag(bootstrap: str, topic: str, stored: dict[int, int]) -> int | None:
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import KafkaError

    try:
        asked = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, bootstrap_timeout_ms=_BROKER_MS)
        try:
            parts = [TopicPartition(topic, each) for each in asked.partitions_for_topic(topic) or ()]
            ends = asked.end_offsets(parts)
        finally:
            asked.close()
    except (KafkaError, OSError):
        return None
    behind: int = sum(max(0, end - stored.get(part.partition, 0)) for part, end in ends.items())
    return behind


@contextmanager
def published(
    target: Target, bootstrap: str, file: Path, *, names: Topics = TOPICS, every: float = EVERY_SECONDS
) -> Iterator[None]:
    """Write the status to a file again and again while the block runs, and once at its end.

    What cannot be told at a moment is told later: the file says when it was made.
    """
    stop = threading.Event()

    def look() -> float:
        began = time.monotonic()
        try:
            found = status(target, bootstrap, names=names)
            with whole(file, shared=True) as part:
                part.write_text(json.dumps(found) + "\n", encoding="utf-8")
        except Exception as error:  # a warehouse in use, a full disk: none may end the sink
            _log.warning("the status in %s stays as it was: %s", file, error)
        return time.monotonic() - began

    def follow() -> None:
        while not stop.wait(max(every, _SHARE * look())):
            pass

    thread = threading.Thread(target=follow, name="loveloop-stored-status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        look()
