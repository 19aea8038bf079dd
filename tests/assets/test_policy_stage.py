"""The policy stage of a run, on what a finished tiny run has trained before it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from assets.run import Run
from assets.stage import perform
from assets.stages import policy
from training.policy.load import load_policy
from training.rollout.config import environment_of, missing
from training.rollout.generator import version_of

LACKING = missing(environment_of())
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def with_settings(tiny_run: Run, directory: Path, **sections: Any) -> Run:
    """A copy of the tiny run whose recipe has other sections."""
    shutil.copytree(tiny_run.directory, directory)
    recipe = type(tiny_run.recipe).model_validate(tiny_run.recipe.model_dump() | sections)
    return replace(tiny_run, directory=directory, recipe=recipe)


def test_the_policy_is_optimised_on_the_ranks_of_the_recipe(tiny_run: Run, tmp_path: Path) -> None:
    pytest.importorskip("deepspeed")
    run = with_settings(tiny_run, tmp_path / "run", engine={"kind": "deepspeed", "zero": 3, "ranks": 2})
    done = perform(run, policy.stage(0.3, run.recipe))
    assert done.ran
    place = run.place("policy-0.3")
    assert json.loads((place / "policy.json").read_text())["ranks"] == 2
    assert sorted(each.name for each in place.parent.iterdir()) == ["love-0.3", "love-0.3.log"]
    said = place.with_name("love-0.3.log").read_text()
    assert "| memory of each rank (DeepSpeed ZeRO-3, 2 ranks, full, float32), GiB:" in said
    assert "(rank 0 alone: models that are only read)" in said
    before = tiny_run.recorded("policy-0.3")
    assert [each["winners"] for each in done.recorded["rounds"]] == [each["winners"] for each in before["rounds"]]
    assert (done.recorded["judges"], done.recorded["prompts"]) == (before["judges"], before["prompts"])
    both = [load_policy(each).model.parameters() for each in (place, tiny_run.place("policy-0.3"))]
    for many, one in zip(*both, strict=True):
        torch.testing.assert_close(many, one, atol=1e-4, rtol=0)


@pytest.mark.skipif(bool(LACKING), reason=LACKING)
def test_a_server_draws_the_samples_of_the_stage_on_ranks(tiny_run: Run, tmp_path: Path) -> None:
    """In one process it is the call that rank 0 makes; tests/training/rollout/test_vllm.py optimises there."""
    pytest.importorskip("deepspeed")
    wanted = tiny_run.recipe.policy.model_dump() | {
        "rollouts": {"engine": "vllm", "cache_gib": 1},
        "config": {"rounds": 2, "prompts": 5, "samples": 2, "tuning": "lora", "lora_rank": 4, "lr": 1e-2},
    }
    run = with_settings(tiny_run, tmp_path / "run", policy=wanted, engine={"kind": "deepspeed", "ranks": 2})
    done = perform(run, policy.stage(0.3, run.recipe))
    first, second = (each["policy"] for each in done.recorded["rounds"])
    assert first == version_of(run.place("incumbent"))
    assert second.startswith("love-0.3-r1@")
    work = run.directory / "vllm" / "love-0.3"
    seen = [json.loads(line) for line in (work / "watchdog.ndjson").read_text().splitlines()]
    assert [each["version"] for each in seen] == [first, second]
    assert max(each["largest"] for each in seen) < 1e-3
    assert not (work / "weights").exists()
    assert (run.place("policy-0.3") / "adapter_model.safetensors").exists()
    assert run.place("policy-0.3").with_name("love-0.3.log").exists()
