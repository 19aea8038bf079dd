"""What DeepSpeed did, run for real under torchrun: as few starts as can be, since each costs ten seconds and more."""

import os
from pathlib import Path
from typing import Any

import pytest

from training.engine.config import EngineConfig
from training.engine.launch import RankLostError, run_ranks

ROOT = Path(__file__).resolve().parents[3]
RANKS = Path(__file__).with_name("ranks.py")


def under_torchrun(job: str, out: Path, ranks: int) -> None:
    """Run a job of ranks.py on some ranks."""
    pytest.importorskip("deepspeed")
    os.environ["PYTHONPATH"] = str(ROOT)
    lines: list[str] = []
    config = EngineConfig(kind="deepspeed", ranks=ranks)
    try:
        run_ranks([str(RANKS), job, str(out)], config, log=out / "log", on_line=lines.append, resume="Again")
    except RankLostError as error:
        raise RankLostError(f"{error}\n" + "\n".join(lines[-60:])) from None


@pytest.fixture(scope="session")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What two ranks found, and where they saved."""
    import torch

    out = tmp_path_factory.mktemp("matrix")
    under_torchrun("matrix", out, 2)
    return out, torch.load(out / "found.pt", weights_only=True)
