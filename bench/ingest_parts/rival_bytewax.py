"""bytewax 0.21: KafkaSource, whose batches go to a dynamic sink; one transaction a batch, with the next offsets in it.

bytewax's own recovery store is off: the positions stand in the file, which is cheaper and exact.
"""

import json
import sys

import bytewax.connectors.kafka as source
import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main
from confluent_kafka import Consumer
from rival_job import Job


def clocked(job: Job) -> type[Consumer]:
    """A consumer that notes when the first records came."""

    class Clocked(Consumer):
        def consume(self, *arguments, **options):
            found = super().consume(*arguments, **options)
            if found and found[0].error() is None:
                job.first_records()
            return found

    return Clocked


class Partition(StatelessSinkPartition):
    """Collects what the source hands over until there are enough rows, then writes."""

    def __init__(self, job: Job, batch_rows: int, *, packed: bool) -> None:
        self.job, self.batch_rows, self.packed = job, batch_rows, packed
        self.values: list[bytes] = []
        self.offsets: dict[int, int] = {}

    def write_batch(self, items) -> None:
        """Take a batch of messages, all of one partition."""
        for item in items:
            if self.packed:
                self.values += item.value.split(b"\n")
            else:
                self.values.append(item.value)
            self.offsets[item.partition] = item.offset + 1
        if len(self.values) >= self.batch_rows:
            self.write()

    def write(self) -> None:
        """Store what is here."""
        if self.values:
            self.job.write(self.values, self.offsets)
        self.values, self.offsets = [], {}

    def close(self) -> None:
        """The end of the stream."""
        self.write()


class Sink(DynamicSink):
    """One writer: a DuckDB file has one."""

    def __init__(self, job: Job, batch_rows: int, *, packed: bool) -> None:
        self.made = Partition(job, batch_rows, packed=packed)

    def build(self, step_id, worker_index, worker_count) -> Partition:  # noqa: ARG002
        """The one writer."""
        return self.made


def main(*, bootstrap: str, topic: str, warehouse: str, batch_rows: int, packed: bool = False) -> None:
    job = Job(warehouse)
    source.Consumer = clocked(job)
    flow = Dataflow("ingest")
    size = max(1, batch_rows // 4 // (400 if packed else 1))
    messages = op.input("events", flow, source.KafkaSource([bootstrap], [topic], tail=False, batch_size=size))
    op.output("duckdb", messages, Sink(job, batch_rows, packed=packed))
    cluster_main(flow, [], 0)
    print(json.dumps(job.figures()))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
