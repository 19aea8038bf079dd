"""The commands for vLLM servers: start one for a policy, and check what one serves."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from training.rollout.server import VllmServer


@click.group()
def vllm() -> None:
    r"""Serve policies by vLLM, for rollouts or to try them; check what a server serves.

    The server runs in a Python environment of its own, made once by `make vllm` (for a GPU where there is one, else
    for the CPU). Training starts and ends a server by itself (`engine = "vllm"` under [policy.rollouts] of a recipe);
    these commands are for a server that others use too, and for looking at one by hand.

    \b
    Example:
      loveloop vllm serve runs/demo/incumbent --adapter love-r1=runs/demo/policy-0.3 --port 8000
      loveloop vllm check http://127.0.0.1:8000 runs/demo/incumbent
    """


def _adapters(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:  # noqa: ARG001
    pairs = [each.partition("=")[::2] for each in given]
    wrong = [name for name, place in pairs if not name or not (Path(place) / "adapter_config.json").is_file()]
    if wrong:
        raise click.BadParameter(f"{wrong[0]}: give NAME=DIRECTORY, with adapter_config.json in the directory")
    return {name: Path(place) for name, place in pairs}


@vllm.command()
@click.argument("model")
@click.option("--name", help="What the model is called; by default its directory's name and its weights' fingerprint.")
@click.option("--adapter", "adapters", multiple=True, callback=_adapters, help="NAME=DIRECTORY; may be repeated.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; it asks nobody for a password.")
@click.option("--context", type=click.IntRange(16), help="Tokens of a prompt and its response; by default the model's.")
@click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True,
              help="What it computes in; auto: as the weights are stored.")  # fmt: skip
@click.option("--max-loras", type=click.IntRange(2, 64), default=4, show_default=True, help="Adapters held at once.")
@click.option("--rank", type=click.IntRange(1, 512), default=16, show_default=True, help="Largest rank of an adapter.")
@click.option("--log", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/vllm"), show_default=True,
              help="The folder of its log.")  # fmt: skip
def serve(  # noqa: PLR0917  (click passes by name)
    model: str,
    name: str | None,
    adapters: dict[str, Path],
    port: int,
    host: str,
    context: int | None,
    dtype: str,
    max_loras: int,
    rank: int,
    log: Path,
) -> None:
    r"""Serve a policy, and adapters on it, each under a name of its own; Ctrl-C ends the server.

    MODEL is a directory with a whole model (a hub name works too). One server holds one model and several adapters;
    two whole models are two servers. An answer names the model that wrote it.

    \b
    Example:
      loveloop vllm serve runs/demo/incumbent --adapter candidate=runs/demo/candidate
      curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{
        "model": "candidate", "messages": [{"role": "user", "content": "Hello!"}]}'
    """
    from training.policy.load import ADAPTER, check_place
    from training.rollout.config import RolloutsConfig
    from training.rollout.generator import version_of
    from training.rollout.server import ServerShape, VllmServer

    check_place(Path(model) if Path(model).is_dir() else model)
    if (Path(model) / ADAPTER).is_file():
        raise click.UsageError(f"{model} is an adapter: serve its base, with --adapter NAME={model}")
    config = RolloutsConfig(engine="vllm", max_loras=max_loras)
    shape = ServerShape(dtype, context, rank)
    with VllmServer(log, shape, config, port=port or None, host=host) as server:
        place = str(Path(model).resolve()) if Path(model).is_dir() else model
        server.serve(place, name or version_of(model))
        for each, directory in adapters.items():
            server.load(each, directory)
        click.echo(f"serving on {server.client.url} (pid {server.pid}, log {server.log}); Ctrl-C stops it")
        for each, found in server.client.models().items():
            click.echo(f"  {each}: {found.root}")
        _watch(server)


def _watch(server: "VllmServer") -> None:
    while True:
        server.check()
        time.sleep(1.0)


@vllm.command()
@click.argument("url")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--name", help="What the server calls it; by default its directory's name and its weights' fingerprint.")
@click.option("--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="A limit for its answers.")
def check(url: str, model: Path, name: str | None, seconds: float) -> None:
    r"""See whether a server at URL serves the weights of MODEL, a directory (of a whole model or an adapter).

    The server answers a few prompts; the model is read here, too, and finds the log-probability of every token that
    the server wrote. They agree to 1e-3 nats in float32, where the weights are the same; an older adapter differs by
    a hundred times that. Training does the same in every round.

    \b
    Example:
      loveloop vllm check http://127.0.0.1:8000 runs/demo/incumbent
      loveloop vllm check http://127.0.0.1:8000 runs/demo/candidate --name candidate
    """
    from training.policy.load import ends_of, load_policy
    from training.rollout.generator import version_of
    from training.rollout.server import GivenServer
    from training.rollout.vllm import VllmGenerator
    from training.rollout.watchdog import watch

    policy, version = load_policy(model), version_of(model)
    server = VllmGenerator(GivenServer(url), name or version, policy.tokenizer, sorted(ends_of(policy)))
    found = watch(server, policy, trained=version, seconds=seconds)
    click.echo(
        f"{found.version}: the same weights as {model}; {found.tokens} tokens differ by {found.mean:.1e} nats on "
        f"average, {found.largest:.1e} at most ({found.seconds:.1f} s)"
    )
