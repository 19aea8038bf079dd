r"""Commands that train one model from plain files, through the engine: a policy or a reward model."""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assets.cli import options

if TYPE_CHECKING:
    import pyarrow as pa

    from training.engine.config import EngineConfig
    from training.labels.examples import Read

Command = TypeVar("Command", bound=Callable[..., Any])
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


def _engine_options(command: Command) -> Command:
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
        ]
    ):
        command = option(command)
    return command


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PLACE = click.Path(file_okay=False, path_type=Path)


@click.group()
def train() -> None:
    r"""Train a policy or a reward model from files, in one process or on many ranks.

    \b
      loveloop train policy --data talks.ndjson --base models/chat --out models/tuned
      loveloop train reward --data loves.parquet --base models/chat --out models/p_love
      loveloop train policy ... --engine deepspeed --ranks 8 --zero 3 --dtype bfloat16

    The memory plan is printed first. Interrupted in any way, the same command goes on at the last kept state.
    docs/engine.md says which engine, stage and number of ranks to choose.
    """


@train.command()
@_engine_options
@click.option("--epochs", type=options.Whole(1), default=1, show_default=True, help="Passes over the conversations.")
@click.option(
    "--batch", type=options.Whole(1), default=64, show_default=True, help="Conversations of a step, all ranks."
)
@click.option(
    "--longest", type=options.Whole(16), default=1024, show_default=True, help="Tokens kept of a conversation."
)
@click.option("--rate", type=options.RATE, help="Learning rate; by the model's width if left out.")
@click.option("--keep-every", type=options.Whole(1), default=100, show_default=True, help="Steps between kept states.")
def policy(
    data: Path,
    base: str,
    out: Path,
    *,
    epochs: int,
    batch: int,
    longest: int,
    rate: float | None,
    keep_every: int,
    seed: int,
    **dials: Any,
) -> None:
    r"""Fine-tune a policy on conversations: it learns to answer as they were answered.

    \b
    Each row of --data has
      conversation  messages with role and content, up to the user's last one (a list, or it as JSON text)
      response      the answer to learn
    """
    engine = _engine(dials)
    _writable(out)
    if _elsewhere(engine, out):
        return
    from training.labels.examples import read_talks
    from training.policy.finetune import FinetuneConfig, finetune

    config = FinetuneConfig(epochs=epochs, batch=batch, longest=longest, lr=rate, keep_every=keep_every, seed=seed)
    report = finetune(_examples(data, read_talks), base, out, config=config, engine=engine, tell=_tell)
    loss = f"{report.loss_first:.3f} -> {report.loss:.3f} nats a token"
    _tell(f"{out}: {report.steps} steps on {report.rows:,} rows, loss {loss}")


@train.command()
@_engine_options
@click.option("--name", default="reward", show_default=True, help="What the model is called in its card.")
@click.option("--epochs", type=options.Whole(1), default=2, show_default=True, help="Passes over the positives.")
@click.option("--batch", type=options.Whole(1), default=64, show_default=True, help="Rows of a step, all ranks.")
@click.option("--longest", type=options.Whole(1), default=128, show_default=True, help="Tokens kept of each row.")
@click.option("--rate", type=options.RATE, help="Learning rate; by the model's width if left out.")
@click.option(
    "--positive-rate",
    type=options.SHARE,
    default=0.1,
    show_default=True,
    help="Negatives are sub-sampled to this share of positives.",
)
def reward(
    data: Path,
    base: str,
    out: Path,
    *,
    name: str,
    epochs: int,
    batch: int,
    longest: int,
    rate: float | None,
    positive_rate: float,
    seed: int,
    **dials: Any,
) -> None:
    r"""Train a reward model on unpaired labels: who loved which response.

    \b
    Each row of --data has
      conversation  messages with role and content, up to the user's last one (a list, or it as JSON text)
      response      the answer that was labelled
      label         true or false, or a share between 0 and 1
      user_id       whose label it is: test users are never trained on
      served_at     when, with its time zone: the test part is the latest
      weight        trust between 0 and 1; 1 if left out
    """
    engine = _engine(dials)
    if (out / "metrics.json").exists() and "RANK" not in os.environ:
        raise ValueError(f"{out} holds a reward model already: give another --out, or remove it")
    _writable(out)
    if _elsewhere(engine, out):
        return
    from training.labels.examples import read_feedback
    from training.reward.config import RewardConfig
    from training.reward.train import train_reward_model

    config = RewardConfig(
        epochs=epochs, batch=batch, max_tokens=longest, learning_rate=rate, positive_rate=positive_rate, seed=seed
    )
    examples = _examples(data, read_feedback)
    lineage = {"data": _digest(data), "engine": engine.model_dump_json(), "command": _typed(sys.argv[1:])}
    work = out.with_name(f"{out.name}.work")
    state = work / _key(lineage["data"], lineage["engine"], str(base), config.model_dump_json())
    report = train_reward_model(
        examples,
        out,
        base=_local(base),
        config=config,
        name=name,
        lineage=lineage,
        engine=engine,
        state=state,
        tell=_tell,
    )
    if _speaks():
        import shutil

        shutil.rmtree(work, ignore_errors=True)
    _tell(f"{out}: AUROC {report.measured.auroc} on users and days that it has not seen, losses {report.losses}")


def _engine(dials: dict[str, Any]) -> "EngineConfig":
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


def _elsewhere(engine: "EngineConfig", out: Path) -> bool:
    """Start this very command on every rank and wait for it, where the engine has ranks and this is none of them."""
    if engine.kind == "torch" or "RANK" in os.environ:
        return False
    from training.engine.launch import run_ranks

    log = out.with_name(f"{out.name}.log")
    click.echo(f"starting {engine.ranks} ranks under torchrun; everything they write goes to {log}")
    run_ranks(
        ["-m", "assets", *sys.argv[1:]],
        engine,
        log=log,
        on_line=_pass_on,
        resume="Run the same command again: it goes on at the last kept state",
    )
    return True


def _writable(out: Path) -> None:
    """Refuse, before ranks start, a place that cannot be written to."""
    if "RANK" not in os.environ:
        from training.disk import check_writable

        check_writable(out)


def _pass_on(line: str) -> None:
    """Show what was meant for the user; the log has the rest."""
    from training.engine.steps import MARK

    if line.startswith(MARK):
        click.echo(line.removeprefix(MARK))


def _speaks() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _tell(line: str) -> None:
    """A line for the user: from rank 0, and marked where it goes through a log."""
    from training.engine.steps import MARK

    if _speaks():
        click.echo(MARK * ("RANK" in os.environ) + line)


def _examples(data: Path, read: "Callable[[Path], Read]") -> "pa.Table":
    """The examples of a file; what was left out of it is told."""
    found = read(data)
    if found.skipped:
        _tell(f"left out of {data}: {found.skipped:,} rows without a response")
    return found.table


def _local(base: str) -> str | Path:
    return Path(base) if Path(base).is_dir() else base


def _typed(words: list[str]) -> str:
    """The command as it was typed, places that lie elsewhere by their names alone: a card may be read anywhere."""
    return shlex.join(["loveloop", *(Path(each).name if each.startswith(("/", "~")) else each for each in words)])


def _digest(file: Path) -> str:
    import hashlib

    with file.open("rb") as opened:
        return f"{file.name} sha256 {hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _key(*content: Any) -> str:
    """Names a state by what it was made of: of other data or settings, it is not taken up."""
    import hashlib

    return hashlib.sha256(repr(content).encode()).hexdigest()[:20]
