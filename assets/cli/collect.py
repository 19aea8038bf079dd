"""The command that takes events by HTTP."""

import click

from assets.cli import options, service
from streams.http_server import LOOPBACK


@click.command()
@options.bootstrap
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; beyond this machine with a token."
)
@click.option("--port", type=options.PORT, default=8090, show_default=True, help="0 picks a free one.")
@click.option(
    "--token",
    envvar="LOVELOOP_COLLECT_TOKEN",
    show_envvar=True,
    help="Requests must carry it: Authorization: Bearer TOKEN.",
)
def collect(bootstrap: str, host: str, port: int, token: str | None) -> None:
    r"""Take events by HTTP; the answer comes when the broker has stored them.

    POST /events takes one JSON event, an array of them, or one a line. What may be left out is filled in: event_id,
    the moment, schema_version. An event that breaks the contract is answered with its line, the rule and the cure,
    while the others of its request are stored. GET /health says whether the broker takes events.

    \b
    Example:
      loveloop collect &
      curl http://127.0.0.1:8090/events -d '{"type":"reaction_changed","user_id":"u1",
        "response_id":"r1","session_id":"s1","reaction":"❤️","action":"added"}'
    """
    from streams import collector

    if host not in LOOPBACK and not token:
        raise click.UsageError(f"everybody who reaches {host} could write events: set --token, or keep 127.0.0.1")
    service.log_to_stderr()
    collector.serve(bootstrap, host, port, token, lambda url: click.echo(f"collecting on {url}"))
