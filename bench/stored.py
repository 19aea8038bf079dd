"""A file of events in a warehouse, by the sink's own code and without a broker."""

from datetime import datetime, timedelta
from pathlib import Path

from streams.topics import TOPICS
from warehouse import connection
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition

LINES = 100
"""Lines of a message."""
BATCH = 500
"""Messages that one commit stores."""


def store(events: Path, warehouse_at: Path, ends: datetime, *, partition: int = 0) -> None:
    """Put a file of events into a warehouse, which is made or brought up to date first.

    Args:
        events: Lines of JSON in the order of their arrival.
        warehouse_at: A DuckDB file.
        ends: The stream's last moment; all lines count as received an hour later.
        partition: Of the topic `events`; every further file of one warehouse needs another.
    """
    warehouse = connection.open(warehouse_at)
    warehouse.migrate()
    lines = events.read_bytes().split(b"\n")[:-1]
    received = int((ends + timedelta(hours=1)).timestamp() * 1000)
    messages = [b"\n".join(lines[start : start + LINES]) for start in range(0, len(lines), LINES)]
    for first in range(0, len(messages), BATCH):
        part = enumerate(messages[first : first + BATCH], first)
        records = [Record(TOPICS.events, partition, offset, received, value) for offset, value in part]
        commit(warehouse, decode_batch(records), {TopicPartition(TOPICS.events, "life", partition): first})
