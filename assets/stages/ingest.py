"""Events through a real broker into the warehouse: start (or find) a broker, send, ingest until caught up, count."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assets.facts.feedback import BrokerPassage, IngestFacts
from assets.run import Run
from assets.stage import Stage
from assets.stages import source


def through_the_broker(run: Run, events: Path) -> BrokerPassage:
    """Send a file of events and ingest it; what was sent, and what this call then stored, dropped or refused.

    Topics carry a name of their own for each call: an embedded broker forgets everything when it stops, so positions in
    its topics must never be taken for positions in the next one's.

    Raises:
        ValueError: The warehouse did not take every line that was sent.
    """
    from streams import brokers, producer, topics
    from warehouse import sink

    with brokers.at_hand(run.directory / "broker", run.recipe.broker.kind) as bootstrap:
        names = topics.Topics.under(f"{run.directory.name}-{uuid.uuid4().hex[:8]}")
        topics.create_topics(bootstrap, run.recipe.broker.partitions, topics=names)
        sent = producer.send_file(events, bootstrap, topic=names.events)
        taken = sink.ingest(run.warehouse, bootstrap, topics=names, until_caught_up=True)
    if taken.events != sent.events:
        raise ValueError(
            f"{sent.events:,} event lines of {events} were sent and {taken.events:,} were taken into the warehouse; "
            "run the same command again: lines that are there already are dropped as copies"
        )
    return BrokerPassage(
        events_sent=sent.events,
        messages=sent.messages,
        taken=taken.events,
        stored={
            name: getattr(taken, name) for name in ("responses", "reactions", "duplicates", "dead_letters", "erased")
        },
        send_seconds=round(sent.seconds, 2),
    )


def as_of(run: Run) -> datetime:
    """The moment at which the cycle judges maturity: the world's own end, or when its ingest stage looked."""
    if run.recipe.source == "world":
        return source.world_config(run).ends_at
    return datetime.fromisoformat(run.facts(IngestFacts).as_of)


def _ingest(run: Run) -> IngestFacts:
    from warehouse import queries
    from warehouse.fingerprint import fingerprint

    now = datetime.now(UTC).isoformat()
    if run.recipe.source == "warehouse":
        there = queries.counts(run.warehouse)
        summary = (
            f"{there['responses']:,} responses and {there['reactions']:,} reactions are there, "
            f"{there['dead_letters']:,} dead letters"
        )
        return IngestFacts(summary=summary, rows=there["rows"], counts=there, as_of=now)
    # Sending the same file again is harmless: what is stored already is dropped by event id. So nothing is deleted.
    flow = through_the_broker(run, source.events_file(run))
    counts = queries.counts(run.warehouse)
    summary = (
        f"{flow.events_sent:,} events sent; {counts['responses']:,} responses, {counts['reactions']:,} reactions, "
        f"{counts['duplicates_dropped']:,} duplicates dropped, {counts['dead_letters']:,} dead letters"
    )
    return IngestFacts(
        summary=summary,
        rows=counts["rows"],
        counts=counts,
        fingerprint=fingerprint(run.warehouse),
        as_of=now,
        **flow.passage(),
    )


def _inputs(run: Run) -> Any:
    """How far a live warehouse has come; the run's own warehouse is filled by this stage alone."""
    from warehouse.snapshot import log_snapshot

    if run.recipe.source != "warehouse":
        return None
    return log_snapshot(run.warehouse, maturity_hours=run.recipe.training_set.maturity_hours)


STAGE = Stage(
    "ingest",
    "ingest: through the broker into the warehouse, exactly once",
    _ingest,
    (source.STAGE.name,),
    lambda recipe: [recipe.broker, recipe.warehouse],
    inputs=_inputs,
)
