"""The commands for vLLM servers: start one for a policy, and check what one serves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assets.cli import options

if TYPE_CHECKING:
    from training.policy.decoding import DecodingSettings
    from training.rollout.launch import ServerShape
    from training.rollout.server import VllmServer


@click.group()
def vllm() -> None:
    r"""Serve policies by vLLM, for rollouts or to try them; check what a server serves.

    The server runs in a Python environment of its own, made once by `make vllm` (for a GPU where there is one, else
    for the CPU). Training starts and ends a server by itself (`engine = "vllm"` under [policy.rollouts] of a recipe);
    these commands are for a server that others use too, and for looking at one by hand.

    \b
    Example:
      loveloop vllm staged runs/demo
      loveloop vllm serve models/chat --adapter love-r1=models/love-r1
      loveloop vllm check http://127.0.0.1:8000 models/chat
    """


def _adapters(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:  # noqa: ARG001
    pairs = [each.partition("=")[::2] for each in given]
    wrong = [name for name, place in pairs if not name or not (Path(place) / "adapter_config.json").is_file()]
    if wrong:
        raise click.BadParameter(f"{wrong[0]}: give NAME=DIRECTORY, with adapter_config.json in the directory")
    return {name: Path(place) for name, place in pairs}


_port = click.option("--port", type=options.PORT, default=8000, show_default=True, help="0 picks a free one.")
_host = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where to listen; whoever reaches it may ask."
)
_context = click.option(
    "--context", type=options.Whole(16), help="Tokens of a prompt and its response; by default the model's limit."
)
_dtype = click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="What it computes in; auto: as the weights are stored.",
)
_rank = click.option(
    "--rank", type=options.Whole(1, 512), default=16, show_default=True, help="Largest rank of an adapter."
)
_gpu_memory = click.option(
    "--gpu-memory",
    type=options.Number(0.05, 0.98),
    default=0.9,
    show_default=True,
    help="Share of a GPU's memory that each server takes.",
)
_log = click.option(
    "--log",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/vllm"),
    show_default=True,
    help="The folder of its log.",
)


@vllm.command()
@click.argument("model")
@click.option("--name", help="What the model is called; by default its directory's name and its weights' fingerprint.")
@click.option("--adapter", "adapters", multiple=True, callback=_adapters, help="NAME=DIRECTORY; may be repeated.")
@_port
@_host
@_context
@_dtype
@_rank
@_gpu_memory
@_log
def serve(  # noqa: PLR0917  (click passes by name)
    model: str,
    name: str | None,
    adapters: dict[str, Path],
    port: int,
    host: str,
    context: int | None,
    dtype: str,
    rank: int,
    gpu_memory: float,
    log: Path,
) -> None:
    r"""Serve a policy, and adapters on it, each under a name of its own; Ctrl-C ends the server.

    MODEL is a directory with a whole model, or a hub name. An answer names the model that wrote it. More adapters may
    be loaded later (POST /v1/load_lora_adapter): it listens on this machine alone unless you say otherwise.

    \b
    Example:
      loveloop vllm serve models/chat --adapter love-r1=models/love-r1
      curl http://127.0.0.1:8000/v1/chat/completions -H 'Content-Type: application/json' -d '{
        "model": "love-r1", "messages": [{"role": "user", "content": "Hello!"}]}'
    """
    from training.policy.load import ADAPTER, check_place
    from training.rollout.generator import version_of
    from training.rollout.launch import ServerShape

    check_place(Path(model) if Path(model).is_dir() else model)
    if (Path(model) / ADAPTER).is_file():
        raise click.UsageError(f"{model} is an adapter: serve its base, with --adapter NAME={model}")
    shape = ServerShape(dtype, context, rank)
    with _started(
        model, name or version_of(model), adapters, shape=shape, gpu_memory=gpu_memory, log=log, address=(host, port)
    ) as server:
        click.echo(f"serving on {server.client.url} (pid {server.pid}, log {server.log}); Ctrl-C stops it")
        for each, found in server.client.models().items():
            click.echo(f"  {each}: {found.root}")
        while True:
            server.check()
            time.sleep(1.0)


@vllm.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@_port
@_host
@_context
@_dtype
@_rank
@_gpu_memory
@_log
def staged(  # noqa: PLR0917  (click passes by name)
    run: Path, port: int, host: str, context: int | None, dtype: str, rank: int, gpu_memory: float, log: Path
) -> None:
    r"""Serve the staged candidate of a run beside its incumbent, as two model names on one address.

    RUN is a run's directory. The incumbent is called `incumbent`, the candidate by the name under which it was staged,
    which is what an experiment calls its arm. A candidate that is an adapter shares the incumbent's server; one whose
    weights were all trained has a server of its own behind the same address. Both answer by the decoding settings of
    the candidate's folder, and its weights must be those that its card names. Before a candidate is staged, the
    incumbent is served alone: start again when there is one.

    \b
    Example:
      loveloop vllm staged runs/demo
      curl http://127.0.0.1:8000/v1/models
    """
    from contextlib import ExitStack

    from assets.experiment import bundles
    from assets.facts.launch import CandidateFacts
    from assets.pipeline import reopen
    from assets.stages import models
    from training.policy import decoding
    from training.policy.load import ADAPTER, base_of
    from training.rollout.launch import ServerShape

    opened = reopen(run)
    incumbent, shape = models.incumbent(opened), ServerShape(dtype, context, rank)
    facts = opened.facts_or_none(CandidateFacts)
    name, place = (facts.name, opened.place("candidate")) if facts else ("", None)
    if place is not None:
        bundles.check_weights(place)
    else:
        click.echo(f"no candidate is staged in {run} yet: the incumbent is served alone")
    adapters = {name: place} if place and (place / ADAPTER).is_file() else {}
    wanted = str(Path(incumbent).resolve() if Path(incumbent).is_dir() else incumbent)
    if adapters and place and str(base_of(place)) != wanted:
        raise click.ClickException(f"{place} is an adapter of {base_of(place)}, not of the incumbent {incumbent}")
    wholes = {"incumbent": incumbent, **({name: place} if place and not adapters else {})}
    with ExitStack() as stack:
        servers = []
        for called, where in wholes.items():
            given = adapters if called == "incumbent" else {}
            inner = ("127.0.0.1", 0)
            started = _started(
                where, called, given, shape=shape, gpu_memory=gpu_memory, log=log / called, address=inner
            )
            servers.append(stack.enter_context(started))
        routes = {each: server.client.url for server in servers for each in server.client.models()}
        _route(routes, servers, host, port, decoding.read(place) if place else None)


@contextmanager
def _started(
    model: str | Path,
    name: str,
    adapters: dict[str, Path],
    *,
    shape: "ServerShape",
    gpu_memory: float,
    log: Path,
    address: tuple[str, int],
) -> Iterator["VllmServer"]:
    """A server that serves a model and adapters, for as long as the block runs."""
    from training.rollout.config import RolloutsConfig
    from training.rollout.server import VllmServer

    config = RolloutsConfig(engine="vllm", gpu_memory=gpu_memory, max_loras=max(2, len(adapters)))
    host, port = address
    with VllmServer(log.resolve(), shape, config, port=port or None, host=host) as server:
        server.serve(str(Path(model).resolve()) if Path(model).is_dir() else model, name)
        for each, directory in adapters.items():
            server.load(each, directory)
        yield server


def _route(
    routes: dict[str, str], servers: "list[VllmServer]", host: str, port: int, decoding: "DecodingSettings | None"
) -> None:
    """Pass requests on to the servers until SIGINT or SIGTERM, or until one of the servers dies."""
    import asyncio
    import signal
    import socket

    import uvicorn

    from training.rollout.router import app

    async def until_one_dies() -> None:
        running = asyncio.create_task(web.serve(sockets=[listening]))
        while not running.done():
            for each in servers:
                each.check()
            await asyncio.sleep(0.5)
        await running

    with socket.create_server((host, port)) as listening:
        web = uvicorn.Server(uvicorn.Config(app(routes, decoding), log_level="warning", access_log=False))
        click.echo(
            f"serving on http://{host}:{listening.getsockname()[1]}: {', '.join(sorted(routes))}; Ctrl-C stops it"
        )
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends in good order, then raises them once more
            signal.signal(number, lambda *_: None)
        asyncio.run(until_one_dies())


@vllm.command()
@click.argument("url")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--name", help="What the server calls it; by default its directory's name and its weights' fingerprint.")
@click.option(
    "--seconds", type=options.Number(1, 86_400), default=60.0, show_default=True, help="A limit for its answers."
)
def check(url: str, model: Path, name: str | None, seconds: float) -> None:
    r"""See whether a server at URL serves the weights of MODEL, a directory (of a whole model or an adapter).

    The server answers a few prompts; the model is read here, too, and finds the log-probability of every token that
    the server wrote. They agree to 1e-3 nats in float32, where the weights are the same; an older adapter differs by
    a hundred times that. Training does the same in every round.

    \b
    Example:
      loveloop vllm check http://127.0.0.1:8000 models/chat
      loveloop vllm check http://127.0.0.1:8000 models/love-r1 --name love-r1
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
