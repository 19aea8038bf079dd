"""The loop on two ranks through DeepSpeed, really run by gloo, held against plain torch in this process."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from training.cgpo.report import PolicyReport
from training.engine.config import EngineConfig
from training.engine.launch import RankLostError, run_ranks
from training.policy.load import load_policy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
RANKS = Path(__file__).with_name("ranks.py")
ROOT = Path(__file__).resolve().parents[3]
Prompts = list[list[dict[str, str]]]


@pytest.fixture(scope="module")
def ranks() -> ModuleType:
    """The program that the ranks run, in this process."""
    spec = importlib.util.spec_from_file_location("cgpo_ranks", RANKS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_ranks(job: str, work: Path) -> list[str]:
    """Run a job of ranks.py on two ranks; what they said."""
    said: list[str] = []
    config = EngineConfig(kind="deepspeed", ranks=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        run_ranks([str(RANKS), job, str(work)], config, log=work / "log", on_line=said.append, resume="Again")
    return said


@pytest.fixture(scope="module")
def started(
    policy: Path, asked: Prompts, log: pa.Table, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RankLostError]:
    """Where two ranks have optimised the policy in every way, and how they ended: one was killed in one way more.

    A start of ranks costs seven seconds, so one start does all of it.
    """
    pytest.importorskip("deepspeed")
    place = tmp_path_factory.mktemp("ranks")
    (place / "policy").write_text(str(policy))
    (place / "asked.json").write_text(json.dumps(asked))
    pq.write_table(log, place / "log.parquet")
    with pytest.raises(RankLostError, match="SIGKILL") as lost:
        on_ranks("all", place)
    return place, lost.value


@pytest.fixture(scope="module")
def work(started: tuple[Path, RankLostError]) -> Path:
    """Where the policies lie."""
    return started[0]


def report_of(place: Path) -> PolicyReport:
    return PolicyReport.model_validate_json((place / "policy.json").read_text())


@pytest.mark.parametrize("way", ["2-full", "2-lora", "3-lora", "3-full"])
def test_two_ranks_learn_what_one_process_does(work: Path, ranks: ModuleType, way: str) -> None:
    alone = EngineConfig(tuning=ranks.engine_of(way).tuning, lora_rank=4)
    one = ranks.optimised(work, f"{way}-alone", ranks.WAYS[way], alone)
    many = report_of(work / way)
    assert (one.ranks, many.ranks, many.tuning) == (1, 2, alone.tuning)
    for mine, theirs in zip(one.rounds, many.rounds, strict=True):
        assert (mine.winners, mine.pairs, mine.steps) == (theirs.winners, theirs.pairs, theirs.steps)
        assert mine.pairs > 0
        assert theirs.loss == pytest.approx(mine.loss, abs=1e-4)
        assert theirs.pair_loss == pytest.approx(mine.pair_loss, abs=1e-4)
        assert theirs.tasks[0].log_ratio == pytest.approx(mine.tasks[0].log_ratio, abs=1e-4)
    before, both = (
        load_policy((work / "policy").read_text()),
        [load_policy(work / each) for each in (way, f"{way}-alone")],
    )
    moved = 0.0
    for start, two, single in zip(*(each.model.parameters() for each in (before, *both)), strict=True):
        torch.testing.assert_close(two, single, atol=1e-4, rtol=0)
        moved = max(moved, float((two - start).detach().abs().max()))
    assert moved > 1e-3


def test_a_rank_that_is_killed_is_named_and_the_same_command_ends_with_the_same_weights(
    started: tuple[Path, RankLostError],
) -> None:
    work, lost = started
    assert re.match(r"rank 1 was ended by SIGKILL .* Again\. Log: ", str(lost))
    assert not (work / "cut").exists()
    assert list((work / "cut.work").glob("state-*/latest"))
    on_ranks("again", work)
    cut, whole = (load_policy(work / name).model for name in ("cut", "3-full"))
    assert all(map(torch.equal, cut.parameters(), whole.parameters()))
    assert not (work / "cut.work").exists()


def test_the_memory_of_reference_and_ranks_is_told_first(work: Path) -> None:
    said = (work / "log").read_text().splitlines()
    plan = said.index("| memory of each rank (DeepSpeed ZeRO-3, 2 ranks, full, float32, checkpointing), GiB:")
    assert "beside" in said[plan + 6]
    assert "rank 0 alone: models that are only read" in said[plan + 6]
    assert said.index(next(line for line in said if line.startswith("| 3-full, round 1 of 2: "))) > plan
