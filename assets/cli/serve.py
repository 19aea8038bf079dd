"""The command that serves policies by OpenAI's API, without vLLM."""

from pathlib import Path

import click

from assets.cli import options
from streams.http_server import LOOPBACK


@click.command()
@click.argument(
    "policies",
    metavar="DIR...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--name", help="What clients ask for, of a single DIR; the folder's name if left out.")
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also the staged candidates of this run, each from the moment at which it is staged; it may come later.",
)
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
    policies: tuple[Path, ...],
    *,
    name: str | None,
    run: Path | None,
    host: str,
    port: int,
    token: str | None,
    temperature: float | None,
    max_tokens: int | None,
) -> None:
    r"""Serve the policies in DIR by OpenAI's API: staged candidates, an incumbent, any causal language models.

    The product's own decoder writes one response at a time: right for the small models of the demo. `loveloop vllm`
    serves large ones. A staged candidate is served as it was evaluated, by its decoding.json, and only while the
    weights that lie there are those that its card names. GET /v1/models tells the digest of each folder's files. A
    request that names no model is meant for the first DIR.

    \b
    Example:
      loveloop serve runs/demo/cycles/0001/models/incumbent --port 8000
      loveloop serve models/incumbent --run runs/live
    """
    if host not in LOOPBACK and not token:
        raise click.UsageError(f"everybody who reaches {host} could use the model: set --token, or keep 127.0.0.1")
    given = _named(policies, name)
    from assets.experiment import bundles
    from assets.stages.candidate import staged
    from streams.gateway import app as gateway
    from training.policy.decoding import DecodingSettings
    from training.rollout import chat_server
    from training.rollout.policy_folders import PolicyFolders, own_decoding

    def found() -> dict[str, Path]:
        later = {} if run is None else staged(run)
        return given | {each: place for each, place in later.items() if each not in given}

    def draws(place: Path) -> DecodingSettings:
        bundles.check_weights(place)
        own = own_decoding(place)
        return DecodingSettings(own.temperature if temperature is None else temperature, max_tokens or own.max_tokens)

    folders = PolicyFolders(found, bundles.digest, draws)
    for each in given:
        folders.policy(each)  # what is no model is told now, not with the first request
    made = chat_server.app(folders, token)
    served = ", ".join(folders.names())
    gateway.run(made, host, port, lambda url: click.echo(f"serving {served} on {url}/v1"))


def _named(policies: tuple[Path, ...], name: str | None) -> dict[str, Path]:
    """Folder by what clients ask for."""
    if name is not None:
        if len(policies) > 1:
            raise click.UsageError(f"--name {name} is for a single DIR, and {len(policies)} are given: leave it out")
        return {name: policies[0]}
    named = {each.resolve().name: each for each in policies}
    if len(named) < len(policies):
        raise click.UsageError("two DIRs have the same name: give each policy a folder of its own name")
    return named
