"""The recipes for larger machines: each is read, and what it plans fits the machine that it is for."""

from dataclasses import replace
from pathlib import Path

import pytest

from assets.pipeline import read_recipe
from assets.recipe import Recipe
from training.engine.memory import ModelSize, planned, world_of

RECIPES = Path(__file__).resolve().parents[3] / "deploy" / "recipes"
LLAMA_8B = ModelSize(8_030_261_248, 8_030_261_248, 4096, 14_336, 1024, 32, 128_256)
LLAMA_1B = ModelSize(1_235_814_400, 1_235_814_400, 2048, 8192, 512, 16, 1)
SMALL = ModelSize(630_000, 630_000, 128, 336, 128, 3, 500)


@pytest.mark.parametrize(
    ("name", "size", "gigabytes", "ranks"),
    [
        ("laptop", SMALL, 4, 1),
        ("gpu-80gb", LLAMA_8B, 80, 1),
        ("gpu-140gb", LLAMA_8B, 140, 1),
        ("gpu-8x", LLAMA_8B, 80, 8),
        ("cluster", LLAMA_8B, 80, 16),
    ],
)
def test_the_plan_of_a_recipe_fits_its_machine(
    name: str, size: ModelSize, gigabytes: int, ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(RECIPES.parents[1])
    recipe = read_recipe(RECIPES / f"{name}.toml")
    engine = recipe.engine
    assert world_of(engine) == ranks
    whole = size.with_adapter(engine.lora_rank) if engine.tuning == "lora" else size
    assert planned(whole, engine).total < 0.9 * gigabytes * 1e9
    assert recipe.policy.config.engine_of(engine) == engine
    beside = _beside(size, engine.tuning, recipe)
    assert replace(planned(whole, engine), beside=beside).total < 0.9 * gigabytes * 1e9


def _beside(policy: ModelSize, tuning: str, recipe: Recipe) -> float:
    """Bytes that are only read in a policy's stage: reference, with LoRA the merged copy, reward models in float32."""
    width = 4 if policy == SMALL else 2
    rewards = [
        policy if each.base == "incumbent" else LLAMA_1B for each in (recipe.p_love, *recipe.labelled().values())
    ]
    return width * policy.parameters * (2 if tuning == "lora" else 1) + sum(4.0 * each.parameters for each in rewards)


def test_full_tuning_of_8_billion_parameters_fits_no_single_gpu() -> None:
    alone = read_recipe(RECIPES / "gpu-8x.toml").engine.model_copy(update={"ranks": 1, "zero": 1})
    assert planned(LLAMA_8B, alone).total > 140e9
