"""How a serving process learns which arms must not be served any more: ask once, or follow.

Light and embeddable: kafka-python and nothing else of the project's own machinery. A trip is final; an arm that was
mended is served under a new experiment.
"""

import threading
from types import TracebackType
from typing import Any, NamedTuple

from streams import consumer, topics
from streams.live.messages import Trip, unpack


class TrippedArm(NamedTuple):
    """One arm of one experiment."""

    experiment: str
    arm: str


def tripped(bootstrap: str, *, names: topics.Topics = topics.TOPICS, timeout: float = 10.0) -> set[TrippedArm]:
    """The arms that have tripped so far.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        names: Topics.
        timeout: Seconds to wait for the broker.

    Raises:
        BrokerUnavailableError: Nobody answers there.
    """
    messages = consumer.read_to_end(bootstrap, names.kill_switch, timeout=timeout)
    return {TrippedArm(trip.experiment, trip.arm) for message in messages for trip in unpack(message.value, Trip)}


class KillSwitch:
    """Follows the trips in a thread of its own, for as long as the block runs.

    Opening it waits until the trips so far are read. A broker that goes away later stops nobody from serving: what was
    known stays known, and the follower goes on when the broker is back.

    Example, in a serving process:

        with KillSwitch("localhost:9092") as switch:
            arm = "control" if switch.is_off("tone", assigned) else assigned

    Args:
        bootstrap: `HOST:PORT` of the broker.
        names: Topics.
        timeout: Seconds to wait for the broker at the start.
    """

    def __init__(self, bootstrap: str, *, names: topics.Topics = topics.TOPICS, timeout: float = 10.0) -> None:
        self._bootstrap, self._topic, self._timeout = bootstrap, names.kill_switch, timeout
        self._off: set[TrippedArm] = set()
        self._stop = threading.Event()
        self._consumer: Any = None

    def is_off(self, experiment: str, arm: str) -> bool:
        """Whether an arm must not be served."""
        return (experiment, arm) in self._off

    @property
    def follows(self) -> bool:
        """Whether trips are still being read; False once the follower has ended, by an error or with the block."""
        return self._thread.is_alive()

    def __enter__(self) -> "KillSwitch":
        """Read the trips so far and begin to follow.

        Raises:
            BrokerUnavailableError: Nobody answers there.
        """
        topics.wait_for_broker(self._bootstrap, self._timeout)
        from kafka import KafkaConsumer, TopicPartition

        from streams import fetches

        partition = TopicPartition(self._topic, 0)
        self._consumer = KafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, isolation_level="read_committed"
        )
        fetches.give(self._consumer, fetches.PlainRecords)
        self._consumer.assign([partition])
        self._consumer.seek_to_beginning(partition)
        end = self._consumer.end_offsets([partition])[partition]
        while self._consumer.position(partition) < end:
            self._poll()
        self._thread = threading.Thread(target=self._follow, name="loveloop-kill-switch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._poll()

    def _poll(self) -> None:
        for records in self._consumer.poll(timeout_ms=200).values():
            found = [trip for record in records for trip in unpack(record.value, Trip)]
            self._off |= {TrippedArm(trip.experiment, trip.arm) for trip in found}
