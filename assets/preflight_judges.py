"""What the judges of a recipe need: names, settings, models and servers, looked for before the first stage."""

import difflib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets import recipe_errors
from assets.recipe import REWARDS, Recipe
from assets.stages import panel

_ASKED, _ANSWERED = [{"role": "user", "content": "What is two plus two?"}], "Two plus two is four."
"""What every free judge is asked before the first stage: one that raises at anything is not met in the tenth."""


def problems(recipe: Recipe) -> Iterator[str]:
    """Everything that is wrong with the judges, each with the way out; an LLM judge is asked one easy question."""
    names = recipe.policy.judge_names()
    for name, count in Counter(names).items():
        if count > 1:
            yield f"policy.judges names {name!r} {count} times: once is enough; two of a kind need names of their own"
    for name in recipe.policy.judge:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            meant = f"did you mean policy.judge.{close[0]}?" if close else f"add {name!r} to policy.judges"
            yield f"policy.judge.{name} are settings of no judge in policy.judges: {meant}"
    for name, wanted in panel.wanted(recipe).items():
        try:
            yield from _judge(recipe, name, wanted)
        except (ValueError, OSError) as error:
            yield f"policy.judge.{name}: {error}"


def _judge(recipe: Recipe, name: str, wanted: panel.Wanted) -> Iterator[str]:
    from training.judges import library
    from training.judges.panel import cost_of, verdicts_of

    try:
        function = library.find(wanted.use)
        model = library.settings_of(function)
    except ValueError as error:
        yield f"policy.judges: {error}"
        return
    try:
        model.model_validate(wanted.settings)
        if wanted.use == "classifier":
            yield from _classifier(recipe, name, str(wanted.settings["model"]))
            return
        judge = library.build(wanted.use, wanted.settings)
    except ValidationError as error:
        yield f"policy.judge.{name}: {recipe_errors.words(error, model)}"
        return
    if hasattr(judge, "check"):
        _checked(name, judge)
    elif not cost_of(judge):
        verdicts_of(name, judge, [_ASKED], [_ANSWERED], "a first question")


def _checked(name: str, judge: Any) -> None:
    """Let a judge look whether it has what it needs.

    Raises:
        ValueError: It has not.
        OSError: Its server or files are away.
    """
    try:
        judge.check()
    except (ValueError, OSError):
        raise
    except Exception as error:
        raise ValueError(f"judge {name!r} is not ready ({type(error).__name__}: {error}): mend it") from error


def _classifier(recipe: Recipe, name: str, model: str) -> Iterator[str]:
    if model in REWARDS:
        if model != "p_love" and model not in recipe.labelled():
            yield f"policy.judge.{name}.model is {model!r}, which the recipe leaves out: train it, or name a folder"
    elif not (Path(model) / "calibration.json").is_file():
        yield (
            f"policy.judge.{name}.model is {model!r}, where no reward model lies (calibration.json is missing): give a "
            f"folder that a run's {', '.join(REWARDS)} stage wrote, or one of these names"
        )
