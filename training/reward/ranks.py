"""A reward model trained on ranks of their own, from within a process that is none: examples and settings by files."""

import os
import pickle
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.engine.config import EngineConfig
from training.progress import Follow, nobody, relay

if TYPE_CHECKING:
    from training.reward.report import RewardReport


def train_on_ranks(
    examples: Any, out: Path, *, engine: EngineConfig, follow: Follow = nobody, **settings: Any
) -> "RewardReport":
    """What `train_reward_model` does, under torchrun with DeepSpeed; an interrupted one goes on when called again.

    Args:
        examples: As `train_reward_model` takes them.
        out: The directory to write; the ranks' log lies beside it.
        engine: Ranks, stage, precision.
        follow: Told what rank 0 writes of its steps.
        settings: The other arguments of `train_reward_model`.

    Raises:
        RankLostError: A rank failed or was killed.
    """
    import pyarrow.parquet as pq

    from training.engine.launch import run_module

    job = out.with_name(f"{out.name}.work")
    job.mkdir(parents=True, exist_ok=True)
    pq.write_table(examples, job / "examples.parquet")
    (job / "settings.pickle").write_bytes(pickle.dumps(settings | {"engine": engine, "out": out}))
    log = out.with_name(f"{out.name}.log")
    run_module("training.reward.ranks", job, engine, log=log, on_line=partial(relay, follow=follow))
    report: RewardReport = pickle.loads((job / "report.pickle").read_bytes())
    shutil.rmtree(job)
    return report


def _one_rank(job: Path) -> None:
    import pyarrow.parquet as pq

    from training.engine.steps import tell_from_first
    from training.reward.train import train_reward_model

    settings = pickle.loads((job / "settings.pickle").read_bytes())
    examples = pq.read_table(job / "examples.parquet")
    report = train_reward_model(examples, **settings, state=job / "state", tell=tell_from_first)
    if os.environ["RANK"] == "0":
        (job / "report.pickle").write_bytes(pickle.dumps(report))


if __name__ == "__main__":
    from training.engine.steps import last_words

    with last_words():
        _one_rank(Path(sys.argv[1]))
