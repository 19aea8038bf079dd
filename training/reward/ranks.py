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

    from training.engine.launch import run_ranks

    job = out.with_name(f"{out.name}.work")
    job.mkdir(parents=True, exist_ok=True)
    pq.write_table(examples, job / "examples.parquet")
    (job / "settings.pickle").write_bytes(pickle.dumps(settings | {"engine": engine, "out": out}))

    run_ranks(
        ["-m", "training.reward.ranks", str(job)],
        engine,
        log=out.with_name(f"{out.name}.log"),
        on_line=partial(relay, follow=follow),
        resume="Run the same command again: it goes on at the last kept state",
    )
    report: RewardReport = pickle.loads((job / "report.pickle").read_bytes())
    shutil.rmtree(job)
    return report


def _one_rank(job: Path) -> None:
    import pyarrow.parquet as pq

    from training.engine.steps import MARK
    from training.reward.train import train_reward_model

    def tell(line: str) -> None:
        if os.environ["RANK"] == "0":
            print(f"{MARK}{line}", flush=True)

    settings = pickle.loads((job / "settings.pickle").read_bytes())
    examples = pq.read_table(job / "examples.parquet")
    report = train_reward_model(examples, **settings, state=job / "state", tell=tell)
    if os.environ["RANK"] == "0":
        (job / "report.pickle").write_bytes(pickle.dumps(report))


if __name__ == "__main__":
    _one_rank(Path(sys.argv[1]))
