"""What clients were told, held against the clean tables: each accepted event once, each state as it was left."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from gateway_parts.visits import Ledger
from streams import topics


class Stored(NamedTuple):
    """What the clean tables hold.

    Attributes:
        responses: Rows by response_id.
        reactions: Rows by event_id.
        changes: Rows by response_id and action: a client makes each change once.
        states: Whether a response's love stands (`added`) or not (`removed`), by response_id.
    """

    responses: Counter[str]
    reactions: Counter[str]
    changes: Counter[tuple[str, str]]
    states: dict[str, str]


def stored(target: str) -> Stored:
    """What the tables of a warehouse hold."""
    from warehouse import connection

    with connection.open(target).read() as reader:
        responses = reader.execute("SELECT response_id FROM responses").fetchall()
        rows = reader.execute("SELECT CAST(event_id AS VARCHAR), response_id, action FROM reactions").fetchall()
        states = reader.execute("SELECT response_id, action FROM reaction_state WHERE reaction = 'love'").fetchall()
    return Stored(
        Counter(response for (response,) in responses),
        Counter(event for event, _, _ in rows),
        Counter((response, action) for _, response, action in rows),
        dict(states),
    )


def counted(found: Stored, ledger: Ledger) -> dict[str, int]:
    """The figures of what was accepted.

    Args:
        found: The tables, once the sinks have read to the end.
        ledger: What the clients were told.

    Returns:
        `accepted`, of which `in_tables` are there and `lost` are not; `twice`: rows too many, and ids that two answers
        bore; `states_wrong`: loves that do not stand as their user left them; `not_told`: responses that are there
        although no client heard the end of the answer (the gateway died between the broker's word and its own).
    """
    seen = [found.responses[each] for each in ledger.responses] + [
        found.reactions[each.event_id] for each in ledger.reactions
    ]
    rows = [*found.responses.values(), *found.changes.values(), *Counter(ledger.responses).values()]
    return {
        "accepted": len(seen),
        "in_tables": sum(map(bool, seen)),
        "lost": sum(not each for each in seen),
        "twice": sum(rows) - len(rows),
        "states_wrong": sum(found.states.get(name) != action for name, action in ledger.states.items()),
        "not_told": len(found.responses.keys() - {*ledger.responses}),
    }


def unread(target: str, bootstrap: str, topic: str = topics.EVENTS) -> int:
    """How many messages of a topic no sink has stored yet."""
    from kafka import KafkaConsumer, TopicPartition

    from warehouse import connection

    number = topics.partition_count(bootstrap, topic)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    ends = consumer.end_offsets([TopicPartition(topic, each) for each in range(number)])
    consumer.close()
    with connection.open(target).read() as reader:
        query = "SELECT partition_id, next_offset FROM ingest_positions WHERE topic = ?"
        positions = dict(reader.execute(query, [topic]).fetchall())
    return sum(end - positions.get(partition.partition, 0) for partition, end in ends.items())
