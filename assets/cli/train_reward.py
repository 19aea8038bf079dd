"""The command that trains one reward model from a file of labels."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.cli import options, ranks

if TYPE_CHECKING:
    from training.reward.config import Nuisance

NUISANCES = ("words", "closing", "question", "emoji", "exclamation", "flattery")
"""As `training.reward.config.Nuisance`, which would bring pydantic with it; a test compares them."""

_OF_A_CLASSIFIER = ("tuning", "lora_rank", "checkpointing")
"""Options of the engine that change weights, of which a small head over a frozen encoder has none."""


@click.command()
@ranks.engine_options
@click.option("--name", default="reward", show_default=True, help="What the model is called in its card.")
@click.option("--epochs", type=options.Whole(1), default=2, show_default=True, help="Passes over the positives.")
@click.option("--batch", type=options.Whole(1), default=64, show_default=True, help="Rows of a step, all ranks.")
@click.option(
    "--longest", type=options.Whole(1), help="Tokens kept of each row (128); with --views of each message (64)."
)
@click.option("--rate", type=options.RATE, help="Learning rate; by the model's width if left out.")
@click.option(
    "--positive-rate",
    type=options.SHARE,
    default=0.1,
    show_default=True,
    help="Negatives are sub-sampled to this share of positives.",
)
@click.option(
    "--views", is_flag=True, help="A small head over a frozen encoder, for a few hundred loves; see docs/rewards.md."
)
@click.option("--pairs", is_flag=True, help="Learn which row of a pair was preferred (Bradley-Terry); see column pair.")
@click.option(
    "--unsaid", type=options.Number(0, 1, max_open=True), default=0.0, help="Share of silent users who liked it."
)
@click.option("--prompt-shift", is_flag=True, help="Weigh negatives as if they had the positives' prompts.")
@click.option("--heads", type=options.Whole(1, 16), default=1, show_default=True, help="Of disjoint users, one body.")
@click.option(
    "--caution", type=options.Number(0, 100), default=0.0, show_default=True, help="What the heads' disagreement costs."
)
@click.option(
    "--augmented",
    type=options.Number(0, 1),
    default=0.0,
    show_default=True,
    help="Share of rows learnt once more with a goodbye, flattery or emoji behind.",
)
@click.option(
    "--broken",
    type=options.Number(0, 1),
    default=0.0,
    show_default=True,
    help="Share of rows learnt once more with the answer's wording destroyed, as not loved.",
)
@click.option(
    "--residual", type=click.Choice(NUISANCES), multiple=True, help="What scores may not follow; several times."
)
@click.option(
    "--validation-time",
    type=options.Number(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Share of the latest days before the test that only validate.",
)
def reward(
    data: Path,
    base: str,
    out: Path,
    *,
    name: str,
    epochs: int,
    batch: int,
    longest: int | None,
    rate: float | None,
    positive_rate: float,
    views: bool,
    pairs: bool,
    unsaid: float,
    prompt_shift: bool,
    heads: int,
    caution: float,
    augmented: float,
    broken: float,
    residual: tuple["Nuisance", ...],
    validation_time: float,
    seed: int,
    tensorboard: Path | None,
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
      pair          with --pairs: names the two rows that belong together
    The Parquet of a training set is read as it is: credit is the label, trust the weight.
    docs/rewards.md says which option helps when.
    """
    typed = [name for name in _OF_A_CLASSIFIER if dials[name] is not None]
    if views and (typed or tensorboard):
        raise ValueError(
            f"{', '.join([*typed, *['tensorboard'] * bool(tensorboard)])} is for a classifier, which is tuned step by "
            "step; a small head (--views) is fitted at once: leave one out"
        )
    engine = ranks.engine_of(dials)
    if "RANK" not in os.environ:
        _refuse_foreign(out)
    ranks.writable(out)
    if ranks.elsewhere(engine, out, tensorboard):
        return
    from training.disk import sha256
    from training.labels.examples import read_feedback
    from training.reward.config import RewardConfig, ViewsConfig
    from training.reward.train import train_reward_model

    config = RewardConfig(
        epochs=epochs,
        batch=batch,
        learning_rate=rate,
        positive_rate=positive_rate,
        model="views" if views else "classifier",
        loss="bradley_terry" if pairs else "binary",
        unsaid=unsaid,
        prompt_shift=prompt_shift,
        heads=heads,
        caution=caution,
        augmented=augmented,
        broken=broken,
        residual=residual,
        validation_time=validation_time,
        seed=seed,
        **({} if longest is None else {"views": ViewsConfig(max_tokens=longest)} if views else {"max_tokens": longest}),
    )
    examples = training_set_examples(data)
    if examples is None:
        examples = ranks.examples_of(data, read_feedback)
    lineage = {
        "data": f"{data.name} sha256 {sha256(data)}",
        "engine": engine.model_dump_json(),
        "command": typed_command(sys.argv[1:]),
    }
    work = _work(out)
    state = work / _key(lineage["data"], lineage["engine"], str(base), config.model_dump_json())
    with ranks.curves(tensorboard) as follow:
        report = train_reward_model(
            examples,
            out,
            base=local_base(base),
            config=config,
            name=name,
            lineage=lineage,
            engine=engine,
            state=state,
            tell=ranks.tell,
            follow=follow,
        )
    if ranks.speaks():
        import shutil

        shutil.rmtree(work, ignore_errors=True)
    ranks.tell(f"{out}: AUROC {report.measured.auroc} on users and days that it has not seen, losses {report.losses}")


def training_set_examples(data: Path) -> Any:
    """The examples of a training set's Parquet, with what it knows of young rows and of context; else None."""
    if data.suffix.lower() != ".parquet":
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    from assets.stages.labels import from_training_set

    try:
        columns = {*pq.read_schema(data).names}
    except (pa.ArrowInvalid, OSError):
        return None  # whoever reads rows says what is wrong with the file
    if "label" in columns or not {"love", "trust", "conversation", "response", "user_id", "served_at"} <= columns:
        return None
    ranks.tell(f"{data} is a training set: the credit for a love is the label, trust the weight")
    return from_training_set(pq.read_table(data))


def _refuse_foreign(out: Path) -> None:
    """Leave alone what lies there already, unless it is this command's own unfinished work."""
    if (out / "metrics.json").exists():
        raise ValueError(f"{out} holds a reward model already: give another --out, or remove it")
    if (out / "config.json").exists() and not _work(out).exists():
        raise ValueError(f"{out} holds a model that this command did not make: give another --out, so that it stays")


def _work(out: Path) -> Path:
    """Where an unfinished training keeps its state."""
    return out.with_name(f"{out.name}.work")


def local_base(base: str) -> str | Path:
    """A base as it was typed: `minilm` by its package, a directory as a path, anything else as a hub name."""
    if base == "minilm" and not Path(base).is_dir():
        from training.reward.bases import minilm

        return minilm()
    return Path(base) if Path(base).is_dir() else base


def typed_command(words: list[str]) -> str:
    """The command as it was typed, places that lie elsewhere by their names alone: a card may be read anywhere."""
    return shlex.join(["loveloop", *(Path(each).name if each.startswith(("/", "~")) else each for each in words)])


def _key(*content: Any) -> str:
    """Names a state by what it was made of: of other data or settings, it is not taken up."""
    import hashlib

    return hashlib.sha256(repr(content).encode()).hexdigest()[:20]
