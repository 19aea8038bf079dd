"""Puts a load into the broker: packed, as our producer sends it, and one event a message, as the rivals read it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from kafka import KafkaProducer

from streams.producer import send_file
from streams.topics import Topics, create_topics

PARTITIONS = 4


class _Keyed(msgspec.Struct):
    user_id: str


def packed(bootstrap: str, prefix: str, path: Path) -> int:
    """Send a file as packs; returns how many."""
    topics = Topics.under(prefix)
    create_topics(bootstrap, PARTITIONS, topics=topics)
    return send_file(path, bootstrap, topic=topics.events, progress=False).messages


def single(bootstrap: str, prefix: str, path: Path) -> int:
    """Send a file one event a message, keyed by user like the packs, in the client's own batches; returns how many."""
    topics = Topics.under(prefix)
    create_topics(bootstrap, PARTITIONS, topics=topics)
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=50, batch_size=256 * 1024)
    lines = path.read_bytes().splitlines()
    for line in lines:
        producer.send(topics.events, value=line, key=_key(line))
    producer.flush()
    producer.close()
    return len(lines)


def _key(line: bytes) -> bytes:
    try:
        return msgspec.json.decode(line, type=_Keyed).user_id.encode()
    except msgspec.MsgspecError:
        return line[:16]
