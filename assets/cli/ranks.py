"""How a training command runs: the engine's options, ranks of its own, and whom it tells of its steps."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assets.cli import options

if TYPE_CHECKING:
    import pyarrow as pa

    from training.engine.config import EngineConfig
    from training.labels.examples import ReadExamples
    from training.progress import Follow

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PLACE = click.Path(file_okay=False, path_type=Path)
_DIALS = {
    "engine": "kind",
    "zero": "zero",
    "ranks": "ranks",
    "hostfile": "hostfile",
    "device": "device",
    "dtype": "dtype",
    "tuning": "tuning",
    "lora_rank": "lora_rank",
    "checkpointing": "checkpointing",
    "tokens": "tokens",
}
"""Options and the fields of EngineConfig that they set."""


def engine_options(command: Command) -> Command:
    """The options of both commands; what is left out comes from --recipe's [engine], else from EngineConfig."""
    for option in reversed(
        [
            click.option("--data", "data", required=True, type=_FILE, help="Parquet, NDJSON (.ndjson, .jsonl) or CSV."),
            click.option("--base", required=True, help="Directory or hub name of the model to start from."),
            click.option(
                "--out", required=True, type=_PLACE, help="The new model's directory; appears when it is done."
            ),
            click.option("--recipe", type=_FILE, help="Take the engine's dials from [engine] of this recipe."),
            click.option(
                "--engine", type=click.Choice(["torch", "deepspeed"]), help="One process, or DeepSpeed's ranks."
            ),
            click.option(
                "--zero",
                type=options.Whole(0, 3),
                help="What ranks share: 0 nothing, 1 optimiser, 2 gradients, 3 all.",
            ),
            click.option("--ranks", type=options.Whole(1), help="Processes on this machine, one a GPU."),
            click.option(
                "--hostfile", type=_FILE, help="Several machines: lines `HOST slots=RANKS`; start this on each."
            ),
            click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where weights lie."),
            click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), help="Of forward and backward."),
            click.option(
                "--tuning", type=click.Choice(["full", "lora"]), help="All weights, or small ones beside them."
            ),
            click.option("--lora-rank", type=options.Whole(1), help="Rank of LoRA's matrices."),
            click.option("--checkpointing/--no-checkpointing", default=None, help="Less memory, a third more time."),
            click.option("--tokens", type=options.Whole(1), help="Most padded tokens of one pass on a rank."),
            click.option("--seed", type=options.SEED, default=1, show_default=True, help="Of order and first weights."),
            options.tensorboard,
        ]
    ):
        command = option(command)
    return command


@contextmanager
def curves(directory: Path | None) -> "Iterator[Follow]":
    """Whom a training tells of its steps: TensorBoard's folder; nobody without one, and on ranks, whose lines tell."""
    from training.progress import nobody

    if directory is None or "RANK" in os.environ:
        yield nobody
        return
    from training.curves import Curves

    with Curves(directory) as curves:
        yield curves


def engine_of(dials: dict[str, Any]) -> "EngineConfig":
    """The engine that options and the recipe's [engine] ask for; takes its options out of `dials`."""
    from training.engine.config import EngineConfig

    recipe = dials.pop("recipe")
    given = {_DIALS[name]: value for name, value in dials.items() if value is not None}
    if "hostfile" in given:
        given["hostfile"] = str(given["hostfile"])
    settings: dict[str, Any] = {}
    if recipe is not None:
        from assets.pipeline import read_recipe

        settings = read_recipe(recipe).engine.model_dump()
    return EngineConfig.model_validate(settings | given)


def elsewhere(engine: "EngineConfig", out: Path, tensorboard: Path | None) -> bool:
    """Start this very command on every rank and wait for it, where the engine has ranks and this is none of them."""
    if engine.kind == "torch" or "RANK" in os.environ:
        return False
    from training.engine.launch import run_ranks
    from training.progress import relay

    log = out.with_name(f"{out.name}.log")
    click.echo(f"starting {engine.ranks} ranks under torchrun; everything they write goes to {log}")
    with curves(tensorboard) as follow:
        run_ranks(
            ["-m", "assets", *sys.argv[1:]],
            engine,
            log=log,
            on_line=partial(relay, follow=follow),
            resume="Run the same command again: it goes on at the last kept state",
        )
    return True


def writable(out: Path) -> None:
    """Refuse, before ranks start, a place that cannot be written to."""
    if "RANK" not in os.environ:
        from training.disk import check_writable

        check_writable(out)


def speaks() -> bool:
    """Whether this process is the one of all ranks that talks to the user."""
    return os.environ.get("RANK", "0") == "0"


def tell(line: str) -> None:
    """A line for the user: from rank 0, and marked where it goes through a log."""
    from training.engine.steps import MARK

    if speaks():
        click.echo(MARK * ("RANK" in os.environ) + line)


def examples_of(data: Path, read: "Callable[[Path], ReadExamples]") -> "pa.Table":
    """The examples of a file; what was left out of it is told."""
    found = read(data)
    if found.skipped:
        tell(f"left out of {data}: {found.skipped:,} rows without a response")
    return found.table
