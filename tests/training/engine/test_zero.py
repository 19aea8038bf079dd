"""DeepSpeed, really run: two processes by gloo, held against plain torch in this one."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from training.engine.config import EngineConfig
from training.engine.launch import RankLostError, run_ranks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
Matrix = tuple[Path, dict[str, Any]]
RANKS = Path(__file__).with_name("ranks.py")


@pytest.fixture(scope="module")
def ranks() -> ModuleType:
    """The program that the ranks run, in this process."""
    spec = importlib.util.spec_from_file_location("ranks", RANKS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize("zero", [0, 2, 3])
def test_two_ranks_end_where_one_process_does(matrix: Matrix, ranks: ModuleType, zero: int, tuning: str) -> None:
    found = matrix[1][f"{zero} float32 {tuning}"]
    assert (found["kind"], found["ranks"]) == ("DeepSpeedEngine", 2)
    alone = ranks.weights(ranks.trained(EngineConfig(tuning=tuning)))
    assert found["weights"].keys() == alone.keys()
    for name, expected in alone.items():
        torch.testing.assert_close(found["weights"][name], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("zero", [2, 3])
def test_bfloat16_moves_the_same_way(matrix: Matrix, ranks: ModuleType, zero: int) -> None:
    before = {name: each.detach() for name, each in ranks.small().named_parameters()}
    alone = ranks.weights(ranks.trained(EngineConfig()))
    moved, expected = (
        torch.cat([(each[name] - before[name]).flatten() for name in before])
        for each in (matrix[1][f"{zero} bfloat16 full"]["weights"], alone)
    )
    assert float(torch.nn.functional.cosine_similarity(moved, expected, dim=0)) > 0.9


def test_sharded_weights_are_saved_whole(matrix: Matrix) -> None:
    from transformers import AutoModelForCausalLM

    out, found = matrix
    model = AutoModelForCausalLM.from_pretrained(out / "saved")
    for name, each in model.named_parameters():
        torch.testing.assert_close(each.detach(), found["3 float32 full"]["weights"][name], atol=1e-4, rtol=0)


def test_a_training_that_was_cut_ends_as_one_that_was_not(matrix: Matrix) -> None:
    resumed, whole = matrix[1]["resumed"]
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_ranks_add_up_and_hear_rank_0(matrix: Matrix) -> None:
    assert matrix[1]["totals"] == (3.0, "rank 0")


def test_ranks_wait_for_days_while_rank_0_works_alone(matrix: Matrix) -> None:
    assert matrix[1]["patience"] == 7 * 24 * 3600


def test_a_state_of_another_stage_is_refused(matrix: Matrix) -> None:
    assert "was kept with ranks 2, zero 3, dtype float32; this is ranks 2, zero 2, dtype float32" in matrix[1]["other"]


def test_a_full_disk_leaves_the_state_before_it(matrix: Matrix) -> None:
    said, steps, files = matrix[1]["full disk"]
    assert "could not be written" in said
    assert "GiB are free there. The state before it is whole: make room" in said
    assert (steps, files) == (5, 2)


def test_after_sigkill_one_rank_ends_with_the_same_weights(tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    config = EngineConfig(kind="deepspeed")
    command, quiet = [str(RANKS), "killed", str(tmp_path)], [].append
    with pytest.raises(RankLostError, match=r"rank 0 was ended by SIGKILL .* Again\. Log: "):
        run_ranks(command, config, log=tmp_path / "log", on_line=quiet, resume="Again")
    assert not (tmp_path / "resumed.pt").exists()
    run_ranks(command, config, log=tmp_path / "log", on_line=quiet, resume="Again")
    whole, resumed = (torch.load(tmp_path / name, weights_only=True) for name in ("whole.pt", "resumed.pt"))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
