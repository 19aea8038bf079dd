"""Settings that are right one by one and wrong together are refused when the recipe is read."""

import tomllib

import pytest
from pydantic import ValidationError

from assets.recipe import Recipe
from assets.recipe_errors import words


def said(text: str) -> str:
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate(tomllib.loads(f'source = "world"\n{text}'))
    return words(caught.value, Recipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[policy.config]\nlongest = 40", "policy.config: longest == 40 tokens of a prompt and its response, max_new_"),
        ("[policy.config.tasks.lov]\nsamples = 2", "policy.config.tasks.lov are settings of no task: this recipe has"),
        ("safety = false\n[policy.config.tasks.safety]\nsamples = 2", "this recipe has love, helpfulness; mend the"),
        ("[policy]\nlove_weights = [0, 1]\nhelpfulness = 0\nsafety = 0", "that policy would have nothing to learn for"),
        ("[policy.config.tasks]\nlove.weight = 0\nsafety.weight = 0\nhelpfulness.weight = 0", "every task weight 0"),
        ("[policy.config]\nseed = 7", "policy.config.seed == 7, but a run has one seed, the recipe's own (seed == 1)"),
        ("[p_love.config]\nseed = 7", "p_love.config.seed == 7, but a run has one seed"),
        ("[p_love.config]\ntest_users = 0.6\nvalidation_users = 0.4", "none to learn from: together they must be"),
        ("[training_set]\nyoung = true\ncredit = 'decay'", "training_set.young is true and credit is 'decay'"),
        ("[training_set]\nyoung = true\n[p_love]\nfolds = 5", "nothing can be measured on a young one; set folds = 0"),
        ("[p_love.config]\nmodel = 'views'\n[engine]\nkind = 'deepspeed'", "p_love.config.model is 'views' and engine"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_told_with_the_way_out(text: str, message: str) -> None:
    assert message in said(text)


def test_a_weight_of_0_for_one_task_and_none_for_another_is_no_fault() -> None:
    recipe = tomllib.loads("[policy]\nsafety = 0\nlove_weights = [0.0, 0.3]\n[policy.config.tasks.love]\nweight = 0.0")
    assert Recipe.model_validate({"source": "world", **recipe}).policy.safety == 0


def test_a_seed_that_is_the_recipe_s_own_may_be_said_twice() -> None:
    assert Recipe.model_validate({"source": "world", "seed": 7, "policy": {"config": {"seed": 7}}}).seed == 7
