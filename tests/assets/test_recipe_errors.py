import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError, model_validator

from assets.errors import told
from assets.pipeline import read_recipe
from assets.recipe import Recipe
from assets.recipe_errors import words


def said(text: str) -> str:
    with pytest.raises(ValidationError) as seen:
        Recipe.model_validate(tomllib.loads(text))
    return words(seen.value, Recipe)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "source is not set: it must be 'world', 'convai' or 'warehouse'"),
        ("world = {respnses = 5}", "world.respnses is no setting: did you mean world.responses?"),
        ("polcy = {}", "polcy is no setting: did you mean policy?"),
        ("p_love = {epochs = 3}", "p_love.epochs is no setting: did you mean p_love.config.epochs?"),
        ("responses = 3", "responses is no setting: did you mean world.responses?"),
        ("broker = {colour = 3}", "broker.colour is no setting: known here: kind, partitions"),
        ("p_love = {config = {epoch = 1}}", "p_love.config.epoch is no setting: did you mean p_love.config.epochs?"),
        ("safety = {labls = 'x'}", "safety.labls is no setting: did you mean safety.labels?"),
        ("safety = true", "safety == true: must be a table of settings, or false"),
        ("helpfulness = 5", "helpfulness == 5: must be a table of settings, or false"),
        ("world = {responses = 'many'}", 'world.responses == "many": must be a whole number'),
        ("world = {responses = 2.5}", "world.responses == 2.5: must be a whole number"),
        ("world = {responses = 0}", "world.responses == 0: must be above 0"),
        ("world = {attacks = {burst_bots = 2}}", "world.attacks.burst_bots == 2: must be below 1"),
        ("policy = {love_weights = []}", "policy.love_weights == []: needs at least 1 of them"),
        ("policy = {love_weights = [0.1, -1]}", "policy.love_weights[1] == -1: must be at least 0"),
        ("policy = {love_weights = [-1]}", "policy.love_weights[0] == -1: must be at least 0"),
        ("policy = {config = {tuning = 'lore'}}",
         "policy.config.tuning == \"lore\": must be 'full' or 'lora'; did you mean 'lora'?"),
        ("policy = {judges = 'closing'}",
         'policy.judges == "closing": must be true or false, or a list in square brackets'),
        ("policy = {judges = [1]}",
         "policy.judges == [1]: must be true or false; policy.judges[0] == 1: must be a text in quotes"),
        ("policy = {love_weights = [inf]}", "policy.love_weights[0] == Infinity: must be a finite number"),
        ("policy = {config = {lr = inf}}", "policy.config.lr == Infinity: must be a finite number"),
        ("policy = {config = {kl_limit = nan}}", "policy.config.kl_limit == NaN: must be a finite number"),
        ("p_love = {config = {learning_rate = inf}}",
         "p_love.config.learning_rate == Infinity: must be a finite number"),
        ("incumbent = {width = 100}", "incumbent.width == 100: must be a multiple of 32"),
        ("seed = -1", "seed == -1: must be at least 0"),
        ("seed = 'a'\nworld = {day = 3}",
         'seed == "a": must be a whole number; world.day is no setting: did you mean world.days?'),
    ],
)  # fmt: skip
def test_a_fault_names_the_setting_the_value_the_rule_and_what_was_meant(text: str, message: str) -> None:
    assert said(text if not text else f'source = "world"\n{text}') == message


def test_a_misspelt_choice_names_the_one_that_was_meant() -> None:
    message = "source == \"worl\": must be 'world', 'convai' or 'warehouse'; did you mean 'world'?"
    assert said('source = "worl"') == message


def test_a_long_value_is_cut() -> None:
    assert len(said(f'source = "world"\nseed = "{"9x" * 400}"')) < 120


def test_the_reader_of_recipes_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('source = "world"\n[world]\nrespnses = 5\n')
    with pytest.raises(ValueError, match=r"mine\.toml: world\.respnses is no setting: did you mean world\.responses\?"):
        read_recipe(file)


def test_an_error_of_another_model_is_told_without_python_in_it() -> None:
    class Dial(BaseModel):
        turns: int = 1

        @model_validator(mode="after")
        def few(self) -> "Dial":
            if self.turns > 9:
                raise ValueError("turns == 12, must be at most 9")
            return self

    with pytest.raises(ValidationError) as seen:
        Dial(turns=12)
    assert told(seen.value) == "turns == 12, must be at most 9"
