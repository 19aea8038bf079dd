import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError

from training.engine.config import EngineConfig
from training.engine.hosts import own_place, read_hosts
from training.engine.launch import torchrun_command
from training.engine.zero import join, settings


def test_plain_torch_is_one_process() -> None:
    with pytest.raises(ValidationError, match=r"ranks == 2, but engine torch is one process: take kind = 'deepspeed'"):
        EngineConfig(ranks=2)
    with pytest.raises(ValidationError, match=r"hostfile == 'hosts', but engine torch is one process"):
        EngineConfig(hostfile="hosts")


@pytest.mark.parametrize("dials", [{"kind": "torch"}, {"kind": "deepspeed", "zero": 0}])
def test_bfloat16_weights_are_not_tuned_without_a_float32_copy(dials: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="full tuning of bfloat16 weights needs a float32 copy"):
        EngineConfig.model_validate({"dtype": "bfloat16"} | dials)
    assert EngineConfig.model_validate({"dtype": "bfloat16", "tuning": "lora"} | dials).tuning == "lora"


def test_deepspeed_is_told_stage_and_precision_and_no_more_than_needed() -> None:
    told = settings(EngineConfig(kind="deepspeed", zero=3, dtype="bfloat16"))
    assert told["zero_optimization"] == {"stage": 3}
    assert told["bf16"] == {"enabled": True}
    assert (told["gradient_accumulation_steps"], told["gradient_clipping"]) == (1, 1.0)


def test_deepspeed_without_torchrun_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match=r"this process has no RANK: start it with `loveloop train`"):
        join(torch.device("cpu"))


def test_a_hostfile_is_read_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# two machines\ngpu-1 slots=8\n\ngpu-2 slots=8  # the spare one\n")
    assert [tuple(host) for host in read_hosts(file)] == [("gpu-1", 8), ("gpu-2", 8)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("gpu-1 8", r"line 1: 'gpu-1 8' is not `HOST slots=RANKS`"),
        ("gpu-1 slots=0", r"line 1: 'gpu-1 slots=0' is not"),
        ("# nothing", r"names no machine"),
        ("a slots=8\nb slots=4", r"gives machines different slots"),
    ],
)
def test_a_hostfile_that_cannot_work_is_refused(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text(content)
    with pytest.raises(ValueError, match=said):
        read_hosts(file)


def test_each_machine_knows_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "hosts"
    file.write_text("gpu-1 slots=8\ngpu-2 slots=8\n")
    monkeypatch.delenv("LOVELOOP_NODE", raising=False)
    with pytest.raises(ValueError, match=r"is none of the hostfile's \(gpu-1, gpu-2\): mend the names"):
        own_place(read_hosts(file))
    monkeypatch.setattr(
        "training.engine.hosts.socket", SimpleNamespace(gethostname=lambda: "gpu-2", getfqdn=lambda: "")
    )
    command = torchrun_command(["-m", "assets"], EngineConfig(kind="deepspeed", hostfile=str(file)))
    assert {"--nnodes=2", "--node-rank=1", "--master-addr=gpu-1", "--nproc-per-node=8"} <= set(command)
    monkeypatch.setenv("LOVELOOP_NODE", "0")
    assert own_place(read_hosts(file)) == 0


def test_one_machine_needs_no_meeting_point() -> None:
    command = torchrun_command(["-m", "assets"], EngineConfig(kind="deepspeed", ranks=4))
    assert {"--standalone", "--nproc-per-node=4"} <= set(command)
    assert not [word for word in command if re.match("--(nnodes|master)", word)]
