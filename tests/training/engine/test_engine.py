from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch

from training.engine.config import EngineConfig
from training.engine.engine import STATE, OneProcess, dealt, write
from training.policy.finetune import FinetuneConfig, finetune


def steps(engine: OneProcess, first: int, last: int) -> None:
    for step in range(first, last):
        chance = torch.Generator().manual_seed(step)
        engine.backward((engine.model(torch.rand(4, 3, generator=chance)) - torch.rand(4, 1)).square().mean())
        engine.step()


def engine(rate: float = 1e-2) -> OneProcess:
    torch.manual_seed(0)
    made = OneProcess(torch.nn.Linear(3, 1))
    made.begin(8, rate)
    return made


def test_a_kept_state_goes_on_with_the_same_chance(tmp_path: Path) -> None:
    whole = engine()
    steps(whole, 0, 8)
    cut = engine()
    steps(cut, 0, 3)
    cut.save(tmp_path, {"step": 3})
    torch.manual_seed(99)
    again = engine(rate=5.0)
    assert again.load(tmp_path) == {"step": 3}
    steps(again, 3, 8)
    assert torch.equal(again.model.weight, whole.model.weight)


@pytest.mark.parametrize("content", [b"", b"junk" * 50, None])
def test_a_damaged_state_is_dropped_and_moves_nothing(content: bytes | None, tmp_path: Path) -> None:
    cut = engine()
    cut.save(tmp_path, {"step": 3})
    whole = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(whole[: len(whole) // 2] if content is None else content)
    before = cut.model.weight.clone()
    assert cut.load(tmp_path) is None
    assert torch.equal(cut.model.weight, before)
    assert not (tmp_path / STATE).exists()


def test_nothing_kept_is_none(tmp_path: Path) -> None:
    assert engine().load(tmp_path) is None


def test_what_cannot_be_written_leaves_the_state_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = engine()
    made.save(tmp_path, {"step": 1})
    before = (tmp_path / STATE).read_bytes()
    monkeypatch.setattr("os.fsync", _full)
    with pytest.raises(OSError, match=r"could not be written \(.*No space left.*\); .* GiB are free there"):
        made.save(tmp_path, {"step": 2})
    assert (tmp_path / STATE).read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == [STATE]


def _full(number: int) -> None:
    raise OSError(28, "No space left on device")


def test_parts_are_dealt_alike(tmp_path: Path) -> None:
    ranks: list[Any] = [SimpleNamespace(rank=rank, ranks=3) for rank in range(3)]
    found = [dealt([10, 20, 30, 40], each) for each in ranks]
    assert found == [[(10, 1.0), (40, 1.0)], [(20, 1.0), (10, 0.0)], [(30, 1.0), (10, 0.0)]]
    write({"a": 1}, tmp_path / "file")


@pytest.mark.slow
def test_a_policy_is_fine_tuned_and_taken_up_where_it_was_cut(
    policy: Path, log: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FinetuneConfig(epochs=2, batch=32, longest=64, keep_every=3, lr=3e-3)
    rows = log.slice(0, 200)
    whole = finetune(rows, policy, tmp_path / "whole", config=config)
    assert (whole.steps, whole.rows) == (14, 200)
    saved, count = OneProcess.save, []

    def cut(self: OneProcess, directory: Path, progress: dict[str, Any]) -> None:
        saved(self, directory, progress)
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(OneProcess, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        finetune(rows, policy, tmp_path / "cut", config=config)
    monkeypatch.setattr(OneProcess, "save", saved)
    said: list[str] = []
    finetune(rows, policy, tmp_path / "cut", config=config, tell=said.append)
    assert any("going on after step 6 of 14" in line for line in said)
    assert not (tmp_path / "cut.work").exists()
    finetune(rows, policy, tmp_path / "cut", config=config, tell=said.append)
    assert said[-1].endswith("cut is done already with these data and settings")
    from safetensors.torch import load_file

    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "cut"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("dials", [{"checkpointing": True}, {"tokens": 64}])
def test_checkpointing_and_smaller_passes_change_no_weight(
    dials: dict[str, Any], policy: Path, log: pa.Table, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    config, rows = FinetuneConfig(batch=32, longest=64, lr=1e-3), log.slice(0, 96)
    finetune(rows, policy, tmp_path / "plain", config=config)
    finetune(rows, policy, tmp_path / "other", config=config, engine=EngineConfig.model_validate(dials))
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "other"))
    for name, each in one.items():
        torch.testing.assert_close(other[name], each, atol=2e-5, rtol=0)
