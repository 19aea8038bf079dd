"""Quix Streams 3: an application whose sink writes at every checkpoint, which commits the offsets after it.

A `BatchingSink` writes once a partition; this one writes all partitions of a checkpoint in one transaction: faster.
"""

import json
import sys
import uuid
from pathlib import Path

from quixstreams import Application
from quixstreams.kafka import consumer as kafka_consumer
from quixstreams.sinks.base import BaseSink
from rival_job import Job


def clocked(poll, job: Job):
    """A poll that notes when the first record came, and then gives way to the plain one."""

    def timed(self, *arguments, **options):
        found = poll(self, *arguments, **options)
        if found is not None and found.error() is None:
            job.first_records()
            kafka_consumer.BaseConsumer.poll = poll
        return found

    return timed


class Sink(BaseSink):
    """Collects values; a checkpoint flushes them."""

    def __init__(self, job: Job, app: Application, messages: int, *, packed: bool) -> None:
        super().__init__()
        self.job, self.app, self.left, self.packed = job, app, messages, packed
        self.values: list[bytes] = []

    def add(self, value, key, timestamp, headers, topic, partition, offset) -> None:  # noqa: ARG002, PLR0917
        """Take one message."""
        if self.packed:
            self.values += value.split(b"\n")
        else:
            self.values.append(value)
        self.left -= 1
        if not self.left:
            self.app.stop()  # at once, with a last checkpoint: no waiting for an interval is measured

    def flush(self) -> None:
        """Store what is here; the offsets are committed after it."""
        values, self.values = self.values, []
        if values:
            self.job.write(values)

    def on_paused(self) -> None:
        """Forget what will be read again."""
        self.values = []


def main(*, bootstrap: str, topic: str, warehouse: str, batch_rows: int, messages: int, packed: bool = False) -> None:
    job = Job(warehouse)
    kafka_consumer.BaseConsumer.poll = clocked(kafka_consumer.BaseConsumer.poll, job)
    app = Application(
        broker_address=bootstrap, consumer_group=f"quix-{uuid.uuid4().hex}", auto_offset_reset="earliest",
        commit_every=max(1, batch_rows // (400 if packed else 1)), loglevel="ERROR", use_changelog_topics=False,
        state_dir=Path(warehouse).parent / "quix-state",
    )  # fmt: skip
    stream = app.dataframe(app.topic(topic, key_deserializer="bytes", value_deserializer="bytes"))
    stream.sink(Sink(job, app, messages, packed=packed))
    app.run()
    print(json.dumps(job.figures()))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
