"""Numbers that people give, on the command line and in recipes: none may be NaN, infinite or boundless."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from click.testing import CliRunner
from loveloop_client import Client
from pydantic import BaseModel, ValidationError

from assets.cli import group as cli
from assets.cli import options
from assets.recipe import Recipe
from streams.live.rules import Rules
from warehouse import experiments, queries, training_set
from warehouse.maturity import LONGEST
from warehouse.upkeep import compact


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command by its words."""
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif command is not None:
            yield (*path, name), command


def test_no_number_of_any_command_may_be_nan_infinite_or_boundless() -> None:
    plain = (click.IntRange, click.FloatRange, type(click.INT), type(click.FLOAT))
    seen = 0
    for words, command in commands(cli):
        for option in command.params:
            if isinstance(option.type, plain):
                assert isinstance(option.type, options.Number | options.Whole), (words, option.name)
                assert option.type.min is not None, (words, option.name)
                assert option.type.max is not None, (words, option.name)
                seen += 1
    assert seen > 40


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e400"])
def test_every_number_of_every_command_refuses_what_is_none(value: str) -> None:
    context = click.Context(click.Command("any"))
    for words, command in commands(cli):
        for option in command.params:
            if isinstance(option.type, options.Number) and not (value == "-1" and (option.type.min or 0) < 0):
                with pytest.raises(click.BadParameter, match="is not in the range"):
                    option.type.convert(value, option, context)
                assert words


def test_the_wait_for_late_loves_has_one_limit_everywhere() -> None:
    assert options.HOURS.max == LONGEST
    for section in ({"training_set": {"maturity_hours": LONGEST + 1}}, {"experiment": {"maturity_hours": -5}}):
        with pytest.raises(ValidationError, match="maturity_hours"):
            Recipe.model_validate({"source": "world", **section})


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields are made of."""
    yield model
    for field in model.model_fields.values():
        waiting: list[Any] = [field.annotation]
        while waiting:
            kind = waiting.pop()
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from sections(kind)
            waiting += get_args(kind)


def test_no_number_of_a_recipe_may_be_nan_or_infinite() -> None:
    """Also of sections that are made later: every part of a recipe refuses them in its own settings."""
    every = {*sections(Recipe)}
    assert len(every) > 12
    for section in every:
        assert section.model_config.get("allow_inf_nan") is False, section.__name__
    with pytest.raises(ValidationError, match="finite number"):
        Recipe.model_validate({"source": "world", "training_set": {"maturity_hours": math.nan}})


@pytest.mark.parametrize("hours", [math.nan, math.inf, 1e12, -5, None, "24"])
def test_a_wait_that_is_none_is_refused_by_all_that_judge_maturity(hours: Any, tmp_path: Path) -> None:
    """Before anything is opened or written."""
    target, rule = tmp_path / "w.duckdb", r"maturity_hours == .*, must be a finite number of hours from 0 to 87,600"
    queries_of_maturity = [
        queries.clean_feedback_summary,
        queries.feedback_marks,
        experiments.experiments,
    ]
    for query in queries_of_maturity:
        with pytest.raises(ValueError, match=rule):
            query(target, maturity_hours=hours)
    with pytest.raises(ValueError, match=rule):
        training_set.build(target, tmp_path / "sets", maturity_hours=hours)
    assert [*tmp_path.iterdir()] == []


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    for value in ("nan", "inf", "1e12", "-5"):
        done = CliRunner().invoke(cli, ["training-set", "build", "--maturity-hours", value, "--out", str(tmp_path)])
        assert done.exit_code == 2
        assert "Traceback" not in done.output
        assert f"Invalid value for '--maturity-hours': {float(value)}" in done.output


@pytest.mark.parametrize(
    "dials",
    [
        {"closing_factor": math.nan},
        {"design_effect": math.inf},
        {"memory_seconds": 0.0},
        {"memory_seconds": math.nan},
        {"publish_seconds": math.inf},
        {"settle_seconds": -1},
        {"alpha": math.nan},
        {"love_floor": math.nan},
    ],
)
def test_the_guard_takes_no_dial_that_means_nothing(dials: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"{next(iter(dials))} == .*, must be"):
        Rules(**dials)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_no_number_of_the_client_or_of_upkeep_means_nothing(value: float, tmp_path: Path) -> None:
    for name in ("timeout", "buffer_bytes"):
        with pytest.raises(ValueError, match=rf"{name} == .*, must be a finite number above 0"):
            Client("127.0.0.1:9", **{name: value})
    with pytest.raises(ValueError, match=r"keep_days == .*, must be a finite number of days from 0 to 36,500"):
        compact(tmp_path / "w.duckdb", keep_days=value)
