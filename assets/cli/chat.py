"""The command that brings up a chat with everything behind it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from assets.cli import options

_SAME_SECONDS = 1.0
"""A signal that comes so soon after the first is that one again: `timeout` sends it to the process and to its group."""


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a later SIGINT interrupts whatever goes on, the end included.

    An exception out of the handler would not do: within a query DuckDB makes it an error of its own.
    """
    stop, first = threading.Event(), [0.0]
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  (signal's signature)
        if stop.is_set() and number == signal.SIGINT and time.monotonic() - first[0] > _SAME_SECONDS:
            raise KeyboardInterrupt
        if not stop.is_set():
            first[0] = time.monotonic()
        stop.set()

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@click.command()
@options.home
@click.option(
    "--name", callback=options.folder, help="The run whose policies are served; demo, or a small one made in a minute."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/chat"),
    show_default=True,
    help="The chat's own files: broker, warehouse, routes, logs.",
)
@click.option(
    "--port", type=options.PORT, default=0, help="Of the chat on 127.0.0.1; that of the last time if left out."
)
@click.option("--guard-port", type=options.PORT, default=0, help="Of the live guard's page; a free one if left out.")
@click.option("--open", "browser", is_flag=True, help="Open the chat in a browser.")
def chat(home: Path, name: str | None, *, folder: Path, port: int, guard_port: int, browser: bool) -> None:
    r"""Chat with a run's incumbent and its candidate, give hearts, and see them stored: everything on this machine.

    Starts a broker, the sink, the live guard, a model server for each policy, and the gateway with its chat page, and
    serves an experiment between the two policies. Ctrl-C ends all of it; the folder stays, and the same command goes
    on with it.

    \b
    Example:
      loveloop chat --open
      loveloop experiment status --warehouse data/chat/warehouse.duckdb
    """
    import sys
    import webbrowser

    from assets import chat as story

    live = sys.stdout.isatty()

    def count(line: str, changed: bool) -> None:
        if live:
            click.echo(f"\r\x1b[K{line}", nl=False)
        elif changed:
            click.echo(line)

    opened = webbrowser.open if browser else str
    story.chat(
        story.ChatSettings(
            folder=folder.resolve(), home=home, name=name, port=port, guard_port=guard_port, say=click.echo,
            stopping=_stopping, count=count, opened=opened,
        )
    )  # fmt: skip
