"""The recipes for larger machines: each is read, and what it plans fits the machine that it is for."""

from pathlib import Path

import pytest

from assets.pipeline import read_recipe
from training.engine.memory import ModelSize, planned, world_of

RECIPES = Path(__file__).resolve().parents[3] / "deploy" / "recipes"
LLAMA_8B = ModelSize(8_030_261_248, 8_030_261_248, 4096, 14_336, 1024, 32, 128_256)
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
    plan = planned(whole, engine)
    assert plan.total < 0.9 * gigabytes * 1e9
    assert recipe.policy.config.tuning == engine.tuning


def test_full_tuning_of_8_billion_parameters_fits_no_single_gpu() -> None:
    alone = read_recipe(RECIPES / "gpu-8x.toml").engine.model_copy(update={"ranks": 1, "zero": 1})
    assert planned(LLAMA_8B, alone).total > 140e9
