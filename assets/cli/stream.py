"""Commands about events in motion: broker, topics, send, replay, ingest, guard."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.cli import options, service

if TYPE_CHECKING:
    from warehouse.sink import IngestReport


@click.command()
@click.option(
    "--kind",
    type=click.Choice(["tansu", "kafka"]),
    default="tansu",
    show_default=True,
    help="Tansu keeps all in memory.",
)
@click.option(
    "--port",
    type=options.PORT,
    default=9092,
    show_default=True,
    help="Port on 127.0.0.1; 0 picks a free one.",
)
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
    "--partitions", type=options.Whole(1), default=4, show_default=True, help="Of the events topic; keyed by user."
)
def create(bootstrap: str, partitions: int) -> None:
    """Create the topics; those that exist keep all but one setting.

    A topic whose records bear their producer's time stamp (CreateTime) gets the broker's (LogAppendTime) for what comes
    from now on: it tells when an event was received.
    """
    from streams import topics as names

    created = names.create_topics(bootstrap, partitions=partitions)
    mended = names.give_brokers_clock(bootstrap)
    for name in names.TOPICS:
        there = "now with the broker's time stamps" if mended.get(name) else "left as it is"
        click.echo(f"created {name}" if name in created else f"{name} was there already, {there}")
    if not all(mended.values()):
        click.echo(
            "this broker writes no time stamps (message.timestamp.type=LogAppendTime): the sink's clock says when an "
            "event was received",
            err=True,
        )


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
    _say_refused(report.refused)


class _Speed(click.ParamType):
    """A number above 0, or `max`."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """None for as fast as possible."""
        if value == "max" or value is None:
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} must be a number above 0 (event seconds per second), or max", param, ctx)
        return speed


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.bootstrap
@click.option("--speed", type=_Speed(), default="60", show_default=True, help="Event seconds per second, or max.")
@click.option("--rate", type=options.Number(0, 1e9, min_open=True), help="Events per second, instead of a speed.")
@click.option("--shift-to-now", is_flag=True, help="Move event times so that the first event happens now.")
@click.option(
    "--shift",
    type=options.Number(-3.2e9, 3.2e9),
    metavar="SECONDS",
    help="Move event times by this much, forwards or backwards.",
)
@click.option("--skip", type=options.Whole(0), default=0, help="Lines of FILE that were sent before.")
def replay(
    file: Path,
    bootstrap: str,
    *,
    speed: float | None,
    rate: float | None,
    shift_to_now: bool,
    shift: float | None,
    skip: int,
) -> None:
    r"""Send FILE (one event a line, in the order of arrival) at the pace at which it happened.

    Lines that break the contract leave with the line before them. Ctrl-C waits until what was sent has arrived, and
    says how to go on. Moved events keep their gaps; sent once more with another shift they are new events.

    \b
    Example:
      loveloop simulate --out data/world --attack lockstep_farm:0.1
      loveloop replay data/world/events.ndjson --speed 3600
      loveloop replay data/world/events.ndjson --speed 1 --shift-to-now
    """
    from datetime import timedelta

    from streams import replay as again
    from streams import topics

    if shift_to_now and shift is not None:
        raise click.UsageError("--shift-to-now finds the shift itself; give it or --shift, not both")
    topics.create_topics(bootstrap)
    with service.stop_on_signals() as stop:
        click.echo(f"replaying {file} to {bootstrap}; Ctrl-C stops it")
        report = again.replay(
            file,
            bootstrap,
            pace=again.Pace(rate=rate) if rate else again.Pace(speed=speed),
            skip=skip,
            shift=timedelta(milliseconds=round(1_000 * shift)) if shift else None,
            to_now=shift_to_now,
            clock=again.WallClock(stop),
        )
    late = f", at most {report.behind:.1f} s late" if rate or speed else ""
    click.echo(f"sent {report.events:,} events in {report.seconds:.1f} s{late}")
    _say_refused(report.refused)
    if report.stopped:
        moved = f" --shift {report.shift.total_seconds():.3f}" if report.shift else ""
        click.echo(f"stopped after line {report.last:,}; go on with --skip {report.last}{moved}", err=True)


def _say_refused(refused: tuple[int, ...]) -> None:
    if refused:
        lines = ", ".join(map(str, refused[:10]))
        click.echo(
            f"{len(refused):,} lines are longer than any broker takes and were not sent: lines {lines}", err=True
        )


@click.command()
@options.warehouse
@options.bootstrap
@click.option("--until-caught-up", is_flag=True, help="Stop when everything sent so far is in the warehouse.")
@click.option(
    "--status",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep dead letters, waiting reactions and lag in this file, for the gateway's operator page.",
)
def ingest(warehouse: options.Target, bootstrap: str, until_caught_up: bool, status: Path | None) -> None:
    """Move events from the broker into the warehouse, each exactly once.

    Positions are stored in the same transaction as the rows: stop it, kill it, start it again at any moment. Ctrl-C and
    SIGTERM store what has been read, and leave the group; a second Ctrl-C ends at once. While the broker is away it
    waits (with --until-caught-up for a minute). Without a terminal it logs one line every ten seconds.
    """
    from contextlib import nullcontext

    from warehouse import connection, sink, stored_status

    service.log_to_stderr()
    if status is not None:
        connection.open(warehouse).migrate()  # there are tables to look at, then
    told = nullcontext() if status is None else stored_status.published(warehouse, bootstrap, status)
    with service.stop_on_signals() as stop, told:
        report = sink.ingest(warehouse, bootstrap, until_caught_up=until_caught_up, stop=stop)
    click.echo(_account(report))
    for rule, count in report.told.most_common():
        click.echo(f"changed: {count:,} x {rule}")
    if report.dead_letters:
        click.echo("`loveloop dead-letters list` shows what broke the contract and why")


def _account(report: "IngestReport") -> str:
    """What became of every event that was read; the parts add up to the whole."""
    guard = report.flags + report.metrics + report.kill_switches
    parts = {
        "erasures": report.erasures,
        "flags, counts and trips of the live guard": guard,
        "duplicates dropped": report.duplicates,
        "dead letters": report.dead_letters,
        "of erased users dropped": report.erased,
    }
    others = "".join(f", {count:,} {what}" for what, count in parts.items() if count)
    return f"{report.events:,} events: {report.responses:,} responses, {report.reactions:,} reactions{others}"


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
        kind = {int: options.Whole(0), float: options.Number(0, 1e9)}.get(type(default))
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, type=kind, default=default, show_default=True, help=text)(command)
    return command


@click.command()
@options.bootstrap
@click.option("--web-host", default="127.0.0.1", show_default=True, help="Where the live counts are served.")
@click.option("--web-port", type=options.PORT, default=6066, show_default=True, help="0 picks a free one.")
@click.option(
    "--stale-seconds",
    type=options.Number(0, 86_400, min_open=True),
    default=60.0,
    show_default=True,
    help="/health says 503 when nothing was counted for so long although messages wait.",
)
@click.option(
    "--session-seconds",
    type=options.Number(1, 1_800),
    default=6.0,
    show_default=True,
    help="A worker that is silent for so long loses its partitions to the others; brokers have a least value.",
)
@_dials
def guard(
    bootstrap: str, web_host: str, web_port: int, stale_seconds: float, session_seconds: float, **dials: Any
) -> None:
    r"""Run the live guard: it speaks of hasty users, devices and networks and of failing arms within seconds.

    Flags, counts per arm and trips of the kill switch go to topics of their own, which the sink stores, and to a page
    (/live), /health, /metrics (Prometheus) and JSON on the web port. It waits for a broker that goes away. Ctrl-C and
    SIGTERM end it within 3 s; kill it and start it again at any moment: nothing is lost or doubled.

    \b
    Example:
      loveloop guard --control incumbent &
      curl http://127.0.0.1:6066/health
    """
    from streams import live_guard

    try:
        rules = live_guard.Rules(**dials)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    live_guard.run(
        bootstrap, web_host=web_host, web_port=web_port, rules=rules, stale_seconds=stale_seconds,
        session_seconds=session_seconds,
    )  # fmt: skip
