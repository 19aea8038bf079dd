import tomllib
from typing import Any

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


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        ({"attacks": {"bots": 0.1}}, r"experiment\.attacks\.0\.name: Input should be 'burst_bots'"),
        ({"attacks": {"burst_bots": 0.5, "slow_drip": 0.6}}, "attacks take 1.10 of all loves, must be under 0.95"),
        ({"social": {"friend": 3}}, r"experiment\.social\.friend: Extra inputs are not permitted"),
        ({"samples": 0}, r"experiment\.samples"),
    ],
)
def test_a_simulated_test_that_cannot_be_is_refused_at_once(experiment: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Recipe.model_validate({"source": "world", "experiment": experiment})


def test_what_a_recipe_says_of_its_simulated_test_is_that_test_s_world() -> None:
    from assets.trial_world import trial_world

    wanted = {"attacks": {"targeted_arm": 0.1}, "social": {"influence": 2.0}, "days": 7, "late": 0.2}
    found = Recipe.model_validate({"source": "world", "experiment": wanted}).experiment
    assert found is not None
    world = trial_world(found)
    assert [(each.name, each.share) for each in world.attacks] == [("targeted_arm", 0.1)]
    assert world.social is not None
    assert (world.social.influence, world.days, world.late) == (2.0, 7, 0.2)
    assert (world.activity_sigma, world.taste_sigma) == (1.5, 1.5)
