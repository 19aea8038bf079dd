"""The command that serves one policy by OpenAI's API, without vLLM."""

from pathlib import Path

import click

from assets.cli import options
from streams.http_server import LOOPBACK


@click.command()
@click.argument("policy", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", help="What clients ask for; the folder's name if left out.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; beyond this machine with a token."
)
@click.option("--port", type=options.PORT, default=8000, show_default=True, help="0 picks a free one.")
@click.option(
    "--token",
    envvar="LOVELOOP_SERVE_TOKEN",
    show_envvar=True,
    help="Requests must carry it: Authorization: Bearer TOKEN.",
)
def serve(policy: Path, name: str | None, *, host: str, port: int, token: str | None) -> None:
    r"""Serve the policy in DIR by OpenAI's API: a staged candidate, an incumbent, any causal language model.

    The product's own decoder writes one response at a time: right for the small models of the demo. `loveloop vllm`
    serves large ones. GET /v1/models tells the digest of the folder's files.

    \b
    Example:
      loveloop serve runs/demo/cycles/0001/models/incumbent --port 8000
    """
    if host not in LOOPBACK and not token:
        raise click.UsageError(f"everybody who reaches {host} could use the model: set --token, or keep 127.0.0.1")
    from assets.experiment import bundles
    from streams.gateway import app as gateway
    from training.rollout import chat_server
    from training.rollout.speech import PolicyVoice

    served = chat_server.ServedPolicy(name or policy.resolve().name, PolicyVoice(policy), bundles.digest(policy))
    made = chat_server.app(served, token)
    gateway.run(made, host, port, lambda url: click.echo(f"serving {served.name} on {url}/v1"))
