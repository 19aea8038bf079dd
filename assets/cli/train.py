r"""Commands that train one model from plain files, through the engine: a policy or a reward model."""

from pathlib import Path
from typing import Any

import click

from assets.cli import options, ranks
from assets.cli.train_reward import reward


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
@ranks.engine_options
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
    tensorboard: Path | None,
    **dials: Any,
) -> None:
    r"""Fine-tune a policy on conversations: it learns to answer as they were answered.

    \b
    Each row of --data has
      conversation  messages with role and content, up to the user's last one (a list, or it as JSON text)
      response      the answer to learn
    """
    engine = ranks.engine_of(dials)
    ranks.writable(out)
    if ranks.elsewhere(engine, out, tensorboard):
        return
    from training.labels.examples import read_talks
    from training.policy.finetune import FinetuneConfig, finetune

    config = FinetuneConfig(epochs=epochs, batch=batch, longest=longest, lr=rate, keep_every=keep_every, seed=seed)
    with ranks.curves(tensorboard) as follow:
        report = finetune(
            ranks.examples_of(data, read_talks), base, out, config=config, engine=engine, tell=ranks.tell, follow=follow
        )
    loss = f"{report.loss_first:.3f} -> {report.loss:.3f} nats a token"
    ranks.tell(f"{out}: {report.steps} steps on {report.rows:,} rows, loss {loss}")


train.add_command(reward)
