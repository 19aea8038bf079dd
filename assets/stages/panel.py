"""The judges of a recipe: which, with which settings, and what names them."""

from pathlib import Path
from typing import Any, NamedTuple

from assets.recipe import REWARDS, Recipe
from assets.run import Run
from assets.stages import standing
from training.policy.load import fingerprint


class Wanted(NamedTuple):
    """A judge as the recipe wants it.

    Attributes:
        use: The judge: a name of the library, or `package.module:function`.
        settings: Its own, without `use`.
    """

    use: str
    settings: dict[str, Any]


def wanted(recipe: Recipe) -> dict[str, Wanted]:
    """Every judge by the name that trip rates are told under.

    >>> wanted(Recipe.model_validate({"source": "world", "policy": {"judges": ["closing"]}}))
    {'closing': Wanted(use='closing', settings={})}
    """
    found = {}
    for name in recipe.policy.judge_names():
        settings = dict(recipe.policy.judge.get(name, {}))
        settings.pop("accepted", None)
        found[name] = Wanted(str(settings.pop("use", name)), settings)
    return found


def of(run: Run) -> Any:
    """The recipe's judges as a `training.judges.Panel`, ready to be asked.

    Raises:
        ValueError: A judge or a setting is wrong; `preflight_judges` says so before the first stage.
    """
    from training.judges import Panel, library

    built = {name: library.build(each.use, _in(run, name, each)) for name, each in wanted(run.recipe).items()}
    return Panel(built, run.recipe.policy.most_trips)


def versions(recipe: Recipe) -> dict[str, str]:
    """What names each judge by its source and settings, so that a stage runs anew when one has changed.

    A classifier's weights count, too; of a model that the run trains they count as what the stage needs.
    """
    return {name: _version(each) for name, each in wanted(recipe).items()}


def _version(judge: Wanted) -> str:
    from training.judges import library

    try:
        found = library.version(judge.use, judge.settings)
    except ValueError as error:  # preflight refuses it, in words
        return f"unknown ({error})"
    place = Path(str(judge.settings.get("model", "")))
    return f"{found}-{fingerprint(place)}" if judge.use == "classifier" and place.is_dir() else found


def _in(run: Run, name: str, judge: Wanted) -> dict[str, Any]:
    """The settings with what the run knows: where its models lie, and where answers of a server are kept."""
    if judge.use == "classifier" and judge.settings.get("model") in REWARDS:
        standing.judged_by(run, judge.settings["model"], name)
        return judge.settings | {"model": run.place(judge.settings["model"])}
    if judge.use == "llm":
        return {"cache": run.directory / "judged" / f"{name}.ndjson"} | judge.settings
    return judge.settings
