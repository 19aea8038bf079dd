"""Commands about events in motion: broker, topics, send, ingest, guard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from assets.cli import options, service


@click.command()
@click.option(
    "--kind",
    type=click.Choice(["tansu", "kafka"]),
    default="tansu",
    show_default=True,
    help="Tansu keeps all in memory.",
)
@click.option("--port", type=int, default=9092, show_default=True, help="Port on 127.0.0.1; 0 picks a free one.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("data/broker"),
    show_default=True,
    help="Logs and Kafka's data.",
)
def broker(kind: str, port: int, directory: Path) -> None:
    r"""Start a local broker and keep it running until Ctrl-C.

    Tansu comes with the Python packages. Apache Kafka needs Java 17 and Maven; its jars are fetched once.

    \b
    Example:
      loveloop broker --kind kafka &
      loveloop send events.ndjson
      loveloop ingest --until-caught-up
    """
    from streams import brokers

    brokers.serve_forever(kind, directory, port=port or None, announce=click.echo)


@click.group()
def topics() -> None:
    """Create the topics on a broker."""


@topics.command()
@options.bootstrap
@click.option(
    "--partitions", type=click.IntRange(1), default=4, show_default=True, help="Of the events topic; keyed by user."
)
def create(bootstrap: str, partitions: int) -> None:
    """Create the topics; those that exist are left as they are."""
    from streams import topics as names

    for name in names.create_topics(bootstrap, partitions=partitions):
        click.echo(f"created {name}")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.bootstrap
def send(file: Path, bootstrap: str) -> None:
    """Send FILE (one event a line) to the broker, keyed by user.

    Lines that break the contract are sent as they are: the sink keeps them as dead letters, with the reason. Sending a
    file twice does no harm: copies are dropped by event_id.
    """
    from streams import producer, topics

    topics.create_topics(bootstrap)
    report = producer.send_file(file, bootstrap)
    click.echo(f"sent {report.events:,} events in {report.messages:,} messages, {report.seconds:.1f} s")
    if report.refused:
        lines = ", ".join(map(str, report.refused[:10]))
        click.echo(
            f"{len(report.refused):,} lines are longer than any broker takes and were not sent: lines {lines}", err=True
        )


@click.command()
@options.warehouse
@options.bootstrap
@click.option("--until-caught-up", is_flag=True, help="Stop when everything sent so far is in the warehouse.")
def ingest(warehouse: options.Target, bootstrap: str, until_caught_up: bool) -> None:
    """Move events from the broker into the warehouse, each exactly once.

    Positions are stored in the same transaction as the rows: stop it, kill it, start it again at any moment. Ctrl-C and
    SIGTERM store what has been read, and leave the group; a second Ctrl-C ends at once. While the broker is away it
    waits (with --until-caught-up for a minute). Without a terminal it logs one line every ten seconds.
    """
    from warehouse import sink

    service.log_to_stderr()
    with service.stop_on_signals() as stop:
        report = sink.ingest(warehouse, bootstrap, until_caught_up=until_caught_up, stop=stop)
    click.echo(
        f"{report.events:,} events: {report.responses:,} responses, {report.reactions:,} reactions, "
        f"{report.duplicates:,} duplicates dropped, {report.dead_letters:,} dead letters, "
        f"{report.erased:,} of erased users dropped"
    )


_DIALS = {
    "user_line": "Reaction changes by one user within 60 s that raise a flag.",
    "device_line": "The same through one device within a minute of the clock.",
    "network_line": "The same through one network.",
    "window_seconds": "Length of the windows in which the arms are counted.",
    "memory_seconds": "How long after its response a love counts; a restart reads up to twice as much again.",
    "publish_seconds": "Changed counts are published so often.",
    "control": "Name of the arm that the others are compared with.",
    "closing_limit": "Trip an arm whose share of needless goodbyes is credibly above this,",
    "closing_factor": "or above so many times the control arm's.",
    "love_floor": "Trip an arm whose Love rate is credibly below this share of the control arm's.",
    "settle_seconds": "How long after a window its loves are compared.",
    "alpha": "Chance that a harmless arm is ever tripped.",
    "design_effect": "How much the responses of one user repeat each other: variance over that of independent ones.",
}


def _dials(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each dial of the guard, with its own default."""
    from streams.live.rules import Rules

    for name, text in reversed(_DIALS.items()):
        default = getattr(Rules(), name)
        command = click.option(f"--{name.replace('_', '-')}", default=default, show_default=True, help=text)(command)
    return command


@click.command()
@options.bootstrap
@click.option("--web-host", default="127.0.0.1", show_default=True, help="Where the live counts are served.")
@click.option("--web-port", type=int, default=6066, show_default=True, help="0 picks a free one.")
@_dials
def guard(bootstrap: str, web_host: str, web_port: int, **dials: Any) -> None:
    """Run the live guard: it speaks of hasty users, devices and networks and of failing arms within seconds.

    Flags, counts per arm and trips of the kill switch go to topics of their own, which the sink stores, and to a page
    (/live) and JSON on the web port. Kill it and start it again at any moment: nothing is lost or doubled.
    """
    from streams import live_guard

    try:
        rules = live_guard.Rules(**dials)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    live_guard.run(bootstrap, web_host=web_host, web_port=web_port, rules=rules)
