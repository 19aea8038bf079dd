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
