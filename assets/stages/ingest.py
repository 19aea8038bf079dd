"""Events through a real broker into the warehouse: start (or find) a broker, send, ingest until caught up, count."""

import uuid
from pathlib import Path

from assets.run import Facts, Run, Stage
from assets.stages import source


def through_the_broker(run: Run, events: Path) -> Facts:
    """Send a file of events and ingest it; what was sent, and what this call then stored, dropped or refused.

    Topics carry a name of their own for each call: an embedded broker forgets everything when it stops, so positions in
    its topics must never be taken for positions in the next one's.
    """
    from streams import brokers, producer, topics
    from warehouse import sink

    with brokers.at_hand(run.directory / "broker", run.recipe.broker.kind) as bootstrap:
        names = topics.Topics.under(f"{run.directory.name}-{uuid.uuid4().hex[:8]}")
        topics.create_topics(bootstrap, run.recipe.broker.partitions, topics=names)
        sent = producer.send_file(events, bootstrap, topic=names.events)
        taken = sink.ingest(run.warehouse, bootstrap, topics=names, until_caught_up=True)
    return {
        "events_sent": sent.events,
        "messages": sent.messages,
        "taken": taken.events,
        "stored": {
            name: getattr(taken, name) for name in ("responses", "reactions", "duplicates", "dead_letters", "erased")
        },
        "send_seconds": round(sent.seconds, 2),
    }


def _ingest(run: Run) -> Facts:
    from warehouse import queries
    from warehouse.fingerprint import fingerprint

    if run.recipe.source == "warehouse":
        there = queries.counts(run.warehouse)
        return {"summary": f"{there['responses']:,} responses are there", "counts": there}
    run.own_warehouse.unlink(missing_ok=True)  # an attempt that was interrupted; nothing downstream has read it
    flow = through_the_broker(run, source.events_file(run))
    counts = queries.counts(run.warehouse)
    summary = (
        f"{flow['events_sent']:,} events sent; {counts['responses']:,} responses, {counts['reactions']:,} reactions, "
        f"{counts['duplicates_dropped']:,} duplicates dropped, {counts['dead_letters']:,} dead letters"
    )
    return {"summary": summary, **flow, "counts": counts, "fingerprint": fingerprint(run.warehouse)}


STAGE = Stage(
    "ingest",
    "ingest: through the broker into the warehouse, exactly once",
    _ingest,
    (source.STAGE.name,),
    lambda recipe: recipe.broker,
)
