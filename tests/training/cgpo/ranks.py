"""Runs under torchrun: optimises a tiny policy on two ranks through DeepSpeed."""

import json
import os
import signal
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq

from training.cgpo.config import CgpoConfig
from training.cgpo.loop import optimise
from training.cgpo.report import PolicyReport
from training.cgpo.tasks import Task
from training.engine.config import EngineConfig
from training.engine.steps import tell_from_first
from training.judges.verdict import PASS, Verdict

CONFIG = CgpoConfig(
    rounds=1, prompts=8, samples=4, max_new_tokens=16, batch=6, lr=2e-3, pairs=True, save_every=2, optimiser="crpg"
)
TWICE = CONFIG.model_copy(update={"rounds": 2})
WAYS = {"2-full": CONFIG, "2-lora": CONFIG, "3-lora": CONFIG, "3-full": TWICE}


class Long:
    """Rewards long answers; only rank 0 may ask it."""

    def logits(self, _: list, responses: list) -> np.ndarray:
        assert os.environ.get("RANK", "0") == "0"
        return np.array([len(text) / 20 for text in responses])


def no_bye(_: list, response: str) -> Verdict:
    return Verdict(True, "bye", None, response.removesuffix(" bye!")) if response.endswith(" bye!") else PASS


def engine_of(way: str) -> EngineConfig:
    """`3-lora` is ZeRO-3 of an adapter."""
    zero, tuning = way.split("-")
    return EngineConfig.model_validate(
        {"kind": "deepspeed", "zero": int(zero), "ranks": 2, "tuning": tuning, "checkpointing": True, "lora_rank": 4}
    )


def optimised(work: Path, name: str, config: CgpoConfig, engine: EngineConfig) -> PolicyReport:
    """The policy of that name, from what lies in `work`."""
    tasks = [Task("love", json.loads((work / "asked.json").read_text()), Long(), 1.0, reward_version="long")]
    return optimise(
        Path((work / "policy").read_text()),
        work / name,
        tasks=tasks,
        judges={"bye": no_bye},
        config=config,
        supervised=pq.read_table(work / "log.parquet"),
        engine=engine,
        tell=tell_from_first if "RANK" in os.environ else print,
    )


def killed_at(step: int) -> None:
    """Let SIGKILL end rank 1 after so many steps."""
    from training.engine.zero import Zero

    taken, take = [], Zero.step

    def counted(self: Zero) -> None:
        take(self)
        taken.append(1)
        if len(taken) == step and self.rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    patch.object(Zero, "step", counted).start()


if __name__ == "__main__":
    place = Path(sys.argv[2])
    if sys.argv[1] == "all":
        for way, settings in WAYS.items():
            optimised(place, way, settings, engine_of(way))
        killed_at(10)
    optimised(place, "cut", TWICE, engine_of("3-full"))
