"""The command that serves models by OpenAI's API and records what was served."""

from pathlib import Path

import click

from assets.cli import options


@click.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=Path("gateway.toml"),
    show_default=True,
    help="The servers of the policies, keys and limits.",
)
@options.bootstrap
@click.option(
    "--routes",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The experiments that run, as `loveloop experiment` writes them; followed while it changes.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; beyond this machine with keys.")
@click.option("--port", type=options.PORT, default=8080, show_default=True, help="0 picks a free one.")
def gateway(config: Path, bootstrap: str, routes: Path | None, host: str, port: int) -> None:
    r"""Serve models by OpenAI's API, each user the arm that they are in, and record what was served.

    A response is at the broker before its answer ends; a broker that is away makes it an error. Reactions come to
    POST /v1/reactions and are written once, however often they are sent. The page at / is a chat to try it with.

    \b
    Example:
      loveloop gateway --config gateway.toml --routes routes.json &
      curl http://127.0.0.1:8080/v1/chat/completions -d '{"model":"loveloop","user":"u1",
        "messages":[{"role":"user","content":"How do I keep basil alive?"}]}'
    """
    import logging

    from streams.gateway import app
    from streams.gateway.access_log import JsonLines

    lines = logging.StreamHandler()
    lines.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line tells them; all cost time
    for client in ("kafka", "aiokafka"):  # what they meet is told by who asked them
        logging.getLogger(client).setLevel(logging.CRITICAL)
    app.serve(config, bootstrap, routes, host=host, port=port, announce=lambda url: click.echo(f"serving on {url}"))
