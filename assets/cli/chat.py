"""The command that brings up a chat with everything behind it."""

from pathlib import Path

import click

from assets.cli import options


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
            count=count, opened=opened,
        )
    )  # fmt: skip
