"""The topics of the wire: their names, and how they are made. Every topic name of the project is written here."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

MAX_MESSAGE_BYTES = 4 * 1_048_576
"""Largest message that the topics take: one event has at most 1 MiB, a pack 256 KiB; the rest is room for what is
malformed."""


class Topics(NamedTuple):
    """The topics of one stream.

    Attributes:
        events: What products post, partitioned by user_id.
        dead_letters: Lines that broke the contract, with their reason.
        flags: What the live guard found suspicious, keyed by user, device or network.
        live_metrics: Windowed counts by the live guard; compacted, the newest message of a key counts.
        kill_switch: Arms that the live guard tripped, keyed by experiment, arm and metric; compacted.
        guard_counts: What the guard's workers tell each other of devices and networks, as many partitions as events.
    """

    events: str = "loveloop.events"
    dead_letters: str = "loveloop.dead-letters"
    flags: str = "loveloop.flags"
    live_metrics: str = "loveloop.live-metrics"
    kill_switch: str = "loveloop.kill-switch"
    guard_counts: str = "loveloop.guard-counts"

    @classmethod
    def under(cls, prefix: str) -> "Topics":
        """The same topics for a second stream on one broker.

        >>> Topics.under("staging").events
        'staging.events'
        """
        return cls(*(name.replace("loveloop", prefix, 1) for name in cls()))


TOPICS = Topics()
EVENTS, DEAD_LETTERS, FLAGS, LIVE_METRICS, KILL_SWITCH, GUARD_COUNTS = TOPICS
BROKERS_CLOCK = {"message.timestamp.type": "LogAppendTime"}
"""Records of the topics bear the broker's stamp, not their producer's; see `streams.receipt`."""
_COPIES = -1
"""Of each partition: as many as the cluster's own `default.replication.factor` says, which is 1 on a single broker."""
_CLOCK_SECONDS = 10.0
"""How long the broker is waited for that is given its clock."""
_COMPACTED = {"cleanup.policy": "compact", "segment.bytes": str(16 * 1_048_576), "min.cleanable.dirty.ratio": "0.2"}


class BrokerUnavailableError(ConnectionError):
    """No broker answers; the text names the address and the next step."""


def create_topics(bootstrap: str, partitions: int = 4, *, topics: Topics = TOPICS, timeout: float = 10.0) -> list[str]:
    """Create the topics that are not there yet.

    A user's events keep their order because the user's id picks the partition: the number of partitions of the events
    topic is chosen once and never changed.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        partitions: Of the events topic and of guard-counts; the other topics are slow and have one.
        topics: Names.
        timeout: Seconds to wait for the broker.

    Returns:
        The names that were created now.

    Raises:
        BrokerUnavailableError: Nobody answers there.
    """
    with _admin(bootstrap, timeout) as admin:
        missing = [name for name in topics if name not in set(admin.list_topics())]
        many, compacted = {topics.events, topics.guard_counts}, {topics.live_metrics, topics.kill_switch}
        return [
            name
            for name in missing
            if _create(admin, name, partitions if name in many else 1, _COMPACTED if name in compacted else {})
        ]


def give_brokers_clock(bootstrap: str, *, topics: Topics = TOPICS) -> dict[str, bool]:
    """Have the broker stamp what comes to those topics whose records bear their producer's stamp so far.

    Records that are there keep their stamps; nothing is read again.

    Returns:
        By topic that was not so before: whether it is now. A broker that has no such setting (Tansu) leaves it.

    Raises:
        BrokerUnavailableError: Nobody answers there.
    """
    from kafka.admin import ConfigResource, ConfigResourceType
    from kafka.errors import KafkaError

    with _admin(bootstrap, _CLOCK_SECONDS) as admin:
        found: dict[str, bool] = {}
        for name in set(topics) & set(admin.list_topics()):
            if _stamped_by_broker(admin, name):
                continue
            try:
                admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, BROKERS_CLOCK)])
            except (KafkaError, ValueError):  # ValueError: kafka-python finds the setting nowhere
                found[name] = False
            else:
                found[name] = _stamped_by_broker(admin, name)
        return {name: found[name] for name in topics if name in found}


def _stamped_by_broker(admin: Any, topic: str) -> bool:
    from kafka.admin import ConfigResource, ConfigResourceType

    settings = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])["topic"][topic]
    ((name, wanted),) = BROKERS_CLOCK.items()
    return bool(settings.get(name, {}).get("value") == wanted)


def partition_count(bootstrap: str, topic: str = EVENTS, *, timeout: float = 10.0) -> int:
    """How many partitions a topic has; 0 when it is not there.

    Raises:
        BrokerUnavailableError: Nobody answers there.
    """
    with _admin(bootstrap, timeout) as admin:
        return len(admin.describe_topics([topic])[0]["partitions"]) if topic in admin.list_topics() else 0


def life(bootstrap: str, topic: str = EVENTS, *, timeout: float = 10.0) -> str:
    """The id of a topic, another one when it was deleted and made anew; empty where it is missing or has none.

    Raises:
        BrokerUnavailableError: Nobody answers there.
    """
    with _admin(bootstrap, timeout) as admin:
        return str(admin.describe_topics([topic])[0].get("topic_id") or "") if topic in admin.list_topics() else ""


def wait_for_broker(bootstrap: str, timeout: float = 10.0) -> None:
    """Return once a broker answers a request for its metadata.

    Raises:
        BrokerUnavailableError: It did not within the timeout (seconds).
    """
    with _admin(bootstrap, timeout) as admin:
        admin.describe_cluster()


def no_broker(bootstrap: str, seconds: float) -> BrokerUnavailableError:
    """The error that every part of the project raises when no broker is there."""
    remedy = "start one with 'loveloop broker' or set KAFKA_BOOTSTRAP"
    return BrokerUnavailableError(f"no broker answers at {bootstrap} after {seconds:g} s; {remedy}")


def _create(admin: Any, name: str, partitions: int, configs: dict[str, str]) -> bool:
    from kafka.errors import TopicAlreadyExistsError

    settings = {
        "num_partitions": partitions,
        "replication_factor": _COPIES,
        "configs": {"max.message.bytes": str(MAX_MESSAGE_BYTES), **BROKERS_CLOCK, **configs},
    }
    try:
        admin.create_topics({name: settings}, wait_for_metadata=True)
    except TopicAlreadyExistsError:  # another process was faster
        return False
    return True


@contextmanager
def _admin(bootstrap: str, timeout: float) -> Iterator[Any]:
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaConnectionError, KafkaTimeoutError

    began = time.monotonic()
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=bootstrap,
            bootstrap_timeout_ms=int(timeout * 1000),
            request_timeout_ms=int(timeout * 1000),
        )
    except (KafkaTimeoutError, OSError, ValueError):  # ValueError: no HOST:PORT
        raise no_broker(bootstrap, timeout) from None
    try:
        yield admin
    except (KafkaConnectionError, KafkaTimeoutError):  # it went away between two requests
        raise no_broker(bootstrap, round(time.monotonic() - began, 1)) from None
    finally:
        admin.close()
