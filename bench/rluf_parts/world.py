"""What all rows of a seed have in common: a world, its log, reward models and the incumbent, made once by the loop."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assets import pipeline
from assets.recipe import Recipe
from assets.run import Run
from assets.stage import perform
from assets.stages.models import P_LOVE

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "deploy" / "recipes" / "demo.toml"
PROMPTS = 5_000
"""Of held-out users, as they were sent; each is answered twice."""
QUICK: Mapping[str, Any] = {
    "world": {"responses": 30_000, "users": 3_000},
    "incumbent": {"examples": 8_000},
    "helpfulness": {"count": 4_000},
    "safety": {"count": 2_000},
    "policy": {"config": {"rounds": 1, "prompts": 80}},
    "evaluation": {"prompts": 500, "judged": 500},
}
"""What a quick run does smaller than the demo."""


def recipe_of(seed: int, *, quick: bool, labels: int | None = None, times: int = 1) -> Recipe:
    """The demo's recipe with another seed, which changes world, log, labels, reward models, incumbent and policies.

    Args:
        seed: Of all chance.
        quick: On the small world.
        labels: That helpfulness learns from; None for the recipe's number.
        times: So many times the users and responses of the demo's world.
    """
    content = tomllib.loads(DEMO.read_text())
    content |= {"seed": seed, "evaluation": {"prompts": PROMPTS, "judged": PROMPTS}}
    content = merged(content, QUICK) if quick else content
    size = Recipe.model_validate(content).world
    if times > 1:
        content = merged(content, {"world": {"responses": times * size.responses, "users": times * size.users}})
    return Recipe.model_validate(merged(content, {"helpfulness": {"count": labels}}) if labels else content)


def opened(seed: int, work: Path, *, quick: bool, labels: int | None = None, times: int = 1) -> Run:
    """The run of a seed, in a folder of its own in `work`."""
    name = (
        f"{'quick' if quick else 'seed'}-{seed}"
        + (f"-labels-{labels}" if labels else "")
        + (f"-x{times}" if times > 1 else "")
    )
    directory = (work / name).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    return Run(directory, recipe_of(seed, quick=quick, labels=labels, times=times))


def share(run: Run, say: Callable[[str], object], last: str = P_LOVE.name) -> None:
    """Do everything up to P[Love]; what was done before, by the same code and settings, is kept.

    Args:
        run: Of a seed; who calls holds its lock.
        say: Told what each stage found.
        last: The stage that is done last.
    """
    every = pipeline.stages(run.recipe)
    pipeline.keep(run)
    for stage in every[: 1 + [each.name for each in every].index(last)]:
        done = perform(run, stage)
        say(f"seed {run.recipe.seed}, {stage.name}: {done.recorded['summary']}{'' if done.ran else ' (kept)'}")


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings, where what is above wins.

    >>> merged({"policy": {"config": {"rounds": 2, "pairs": True}}}, {"policy": {"config": {"rounds": 1}}})
    {'policy': {'config': {'rounds': 1, 'pairs': True}}}
    """
    found = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else value
    return found
