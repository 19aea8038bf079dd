import pytest
from pydantic import ValidationError

from assets.recipe import Recipe
from training.cgpo.config import CgpoConfig
from training.engine.config import EngineConfig


def test_a_policy_is_tuned_as_the_engine_says_unless_its_own_settings_do() -> None:
    lora = EngineConfig(tuning="lora", lora_rank=64)
    assert CgpoConfig().engine_of(lora) == lora
    assert CgpoConfig(tuning="full").engine_of(lora).tuning == "full"
    own = CgpoConfig(tuning="lora", lora_rank=4).engine_of(EngineConfig(tokens=100))
    assert (own.tuning, own.lora_rank, own.tokens) == ("lora", 4, 100)


@pytest.mark.parametrize(
    ("own", "engine", "said"),
    [
        (
            {"lora_rank": 4},
            {},
            r"lora_rank == 4, but engine\.tuning is 'full', which has no adapter: set policy\.config",
        ),
        (
            {"lora_rank": 4, "tuning": "full"},
            {"tuning": "lora"},
            r"lora_rank == 4, but policy\.config\.tuning is 'full'",
        ),
        (
            {"tuning": "full"},
            {"tuning": "lora", "dtype": "bfloat16"},
            r"policy\.config\.tuning == 'full' does not go with \[engine\]: full tuning of bfloat16 weights",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_the_recipe(
    own: dict[str, object], engine: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Recipe.model_validate({"source": "world", "engine": engine, "policy": {"config": own}})


def test_a_run_of_before_is_opened_although_it_kept_a_rank_that_nothing_used() -> None:
    config = {"tuning": "full", "lora_rank": 16, "rounds": 3}
    kept = Recipe.kept({"source": "world", "policy": {"config": config}}).policy.config
    assert (kept.tuning, kept.lora_rank, kept.rounds) == ("full", None, 3)
