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
@click.option(
    "--temperature", type=options.Number(0, 10), help="Of requests that name none; the folder's own if left out."
)
@click.option("--max-tokens", type=options.Whole(1), help="Of their responses; the folder's own if left out.")
def serve(
    policy: Path,
    name: str | None,
    *,
    host: str,
    port: int,
    token: str | None,
    temperature: float | None,
    max_tokens: int | None,
) -> None:
    r"""Serve the policy in DIR by OpenAI's API: a staged candidate, an incumbent, any causal language model.

    The product's own decoder writes one response at a time: right for the small models of the demo. `loveloop vllm`
    serves large ones. A staged candidate is served as it was evaluated, by its decoding.json, and only while the
    weights that lie there are those that its card names. GET /v1/models tells the digest of the folder's files.

    \b
    Example:
      loveloop serve runs/demo/cycles/0001/models/incumbent --port 8000
    """
    if host not in LOOPBACK and not token:
        raise click.UsageError(f"everybody who reaches {host} could use the model: set --token, or keep 127.0.0.1")
    from assets.experiment import bundles
    from streams.gateway import app as gateway
    from training.policy import decoding
    from training.rollout import chat_server
    from training.rollout.speech import PolicyVoice

    bundles.check_weights(policy)
    own = decoding.read(policy) or chat_server.PLAIN
    how = decoding.DecodingSettings(
        own.temperature if temperature is None else temperature, own.max_tokens if max_tokens is None else max_tokens
    )
    called, digest = name or policy.resolve().name, bundles.digest(policy)
    served = chat_server.ServedPolicy(called, PolicyVoice(policy), digest, how)
    made = chat_server.app(served, token)
    gateway.run(made, host, port, lambda url: click.echo(f"serving {served.name} on {url}/v1"))
