import tomllib

import pytest

from assets.recipe import Recipe
from streams.synthetic import WorldConfig
from streams.synthetic.shares import AttackShare
from streams.synthetic.social import SocialConfig

TEXT = """
source = "world"
[world]
responses = 500
[world.attacks]
slow_drip = 0.05
burst_bots = 0.1
[world.social]
influence = 0.5
"""


def test_a_recipe_sets_attacks_and_friends_of_its_world() -> None:
    recipe = Recipe(**tomllib.loads(TEXT))
    config = WorldConfig(**recipe.world.model_dump())
    assert config.attacks == (AttackShare(name="slow_drip", share=0.05), AttackShare(name="burst_bots", share=0.1))
    assert config.social == SocialConfig(influence=0.5)
    assert config.base_love_rate == 0.005


def test_a_recipe_without_them_has_neither() -> None:
    config = WorldConfig(**Recipe(source="world").world.model_dump())
    assert (config.attacks, config.social, config.experiment) == ((), None, None)


def test_shares_that_leave_no_room_for_people_are_refused() -> None:
    recipe = Recipe(source="world", world={"attacks": {"slow_drip": 0.5, "burst_bots": 0.5}})
    with pytest.raises(ValueError, match=r"attacks take 1\.00 of all loves"):
        WorldConfig(**recipe.world.model_dump())


@pytest.mark.parametrize("source", ["warehouse", "convai"])
def test_labels_of_the_simulated_world_are_refused_beside_real_events(source: str) -> None:
    with pytest.raises(ValueError, match=r"helpfulness.labels is 'world' .* Give helpfulness.labels = 'reactions'"):
        Recipe(source=source, helpfulness={"labels": "world"})
    with pytest.raises(ValueError, match=r"safety.labels is 'world'"):
        Recipe(source=source, safety={"labels": "world"})


@pytest.mark.parametrize("source", ["warehouse", "convai"])
def test_settings_of_the_simulated_world_are_refused_beside_real_events(source: str) -> None:
    with pytest.raises(ValueError, match=r"\[world\] sets the simulated world, but source is .* which has none"):
        Recipe(source=source, world={"responses": 5_000})


@pytest.mark.parametrize("source", ["world", "warehouse"])
def test_p_love_learns_from_the_training_set_alone(source: str) -> None:
    with pytest.raises(ValueError, match=r"p_love.labels is 'world', but P\[Love\] learns from the training set"):
        Recipe(source=source, p_love={"labels": "world"})


def test_a_love_weight_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.3 stands there more than once; each weight is one policy"):
        Recipe(source="world", policy={"love_weights": [0.0, 0.3, 0.30000001]})


def test_a_live_recipe_learns_helpfulness_from_thumbs_and_leaves_safety_out_unless_it_says_otherwise() -> None:
    plain = Recipe(source="warehouse")
    assert {name: wanted.labels for name, wanted in plain.labelled().items()} == {"helpfulness": "reactions"}
    assert Recipe(source="warehouse", helpfulness=False).labelled() == {}
    world = Recipe(source="world", helpfulness={"count": 7})
    assert {name: wanted.labels for name, wanted in world.labelled().items()} == {
        "helpfulness": "world",
        "safety": "world",
    }
    assert world.labelled()["helpfulness"].count == 7


def test_a_judge_must_be_named() -> None:
    with pytest.raises(ValueError, match=r"say which one in \[safety.judge\], with url and model"):
        Recipe(source="warehouse", safety={"labels": "judge"})


def test_no_recipe_for_real_events_reads_anything_of_the_world() -> None:
    from pathlib import Path

    from assets.pipeline import read_recipe

    recipes = Path(__file__).resolve().parents[2] / "deploy" / "recipes"
    real = [recipe for recipe in map(read_recipe, sorted(recipes.glob("*.toml"))) if recipe.source != "world"]
    assert len(real) >= 3
    assert all(wanted.labels != "world" for recipe in real for wanted in recipe.labelled().values())


def test_a_setting_of_an_earlier_version_is_refused_in_a_recipe_and_left_out_of_a_run_s_own_record() -> None:
    old = {"source": "world", "experiment": {"pool": 500, "exposures": 7}}
    with pytest.raises(ValueError, match=r"experiment\.pool"):
        Recipe.model_validate(old)
    kept = Recipe.kept(old)
    assert kept.experiment is not None
    assert kept.experiment.exposures == 7
    assert Recipe.kept({"source": "world", "experiment": None}).experiment is None
