"""A simulated world in a warehouse, without a broker: for tests of what reads the log."""

from datetime import timedelta
from pathlib import Path

from streams.synthetic import WorldConfig, simulate
from streams.topics import TOPICS
from warehouse import connection
from warehouse.ingest.commit import commit
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record, TopicPartition


def store_world(config: WorldConfig, place: Path) -> Path:
    """Simulate a world and ingest its events in messages of a hundred; the warehouse that holds them."""
    simulate(config, place / "world")
    lines = (place / "world" / "events.ndjson").read_bytes().split(b"\n")[:-1]
    received = int((config.ends_at + timedelta(hours=1)).timestamp() * 1000)
    messages = [b"\n".join(lines[start : start + 100]) for start in range(0, len(lines), 100)]
    records = [Record(TOPICS.events, 0, offset, received, value) for offset, value in enumerate(messages)]
    warehouse = connection.open(place / "warehouse.duckdb")
    warehouse.migrate()
    commit(warehouse, decode_batch(records), {TopicPartition(TOPICS.events, "life", 0): 0})
    return place / "warehouse.duckdb"
