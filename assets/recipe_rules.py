"""Rules that more than one setting of a recipe must keep together; those of a single one stand beside it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import ValidationError

if TYPE_CHECKING:
    from assets.recipe import Recipe


def broken_rules(recipe: "Recipe") -> Iterator[str]:
    """Every rule that a recipe breaks: what it says, the rule, and the way out.

    Args:
        recipe: Each of its sections is right by itself.
    """
    yield from _p_love(recipe)
    yield from _young(recipe)
    yield from _frozen(recipe)
    yield from _simulated(recipe)
    yield from _tuning(recipe)
    yield from _tasks(recipe)
    yield from _seeds(recipe)
    yield from _trial(recipe)
    yield from _retention(recipe)


_LEAST_DAYS = 15
"""Of a simulated log: a week of history, and a week in which people may come back."""


def _retention(recipe: "Recipe") -> Iterator[str]:
    if recipe.policy.retention and recipe.source == "world" and recipe.world.days < _LEAST_DAYS:
        yield (
            f"policy.retention is {recipe.policy.retention:g} and world.days is {recipe.world.days}: a return within a "
            f"week needs {_LEAST_DAYS} days of log at least; raise world.days, or leave policy.retention out"
        )


def _p_love(recipe: "Recipe") -> Iterator[str]:
    if recipe.p_love.labels is not None:
        yield (
            f"p_love.labels is {recipe.p_love.labels!r}, but P[Love] learns from the training set's loves alone: "
            "leave it out; `loveloop import` brings loves of another table into the warehouse"
        )


def _young(recipe: "Recipe") -> Iterator[str]:
    """Young rows teach P[Love], and nothing is measured on them."""
    wanted = recipe.training_set
    if wanted.young and wanted.credit != "last_turn":
        yield (
            f"training_set.young is true and credit is {wanted.credit!r}: how long a love takes is known of the "
            "response that was loved, not of earlier turns; take credit = 'last_turn', or leave young out"
        )
    if wanted.young and recipe.p_love.folds > 1:
        yield (
            f"training_set.young is true and p_love.folds is {recipe.p_love.folds}: folds measure every row, and "
            "nothing can be measured on a young one; set folds = 0, or leave young out"
        )


def _frozen(recipe: "Recipe") -> Iterator[str]:
    """A frozen encoder learns in one process."""
    for name, wanted in [("p_love", recipe.p_love), *recipe.labelled().items()]:
        if wanted.config.model == "views" and recipe.engine.kind == "deepspeed":
            yield (
                f"{name}.config.model is 'views' and engine.kind is 'deepspeed': a frozen encoder learns in one "
                "process; take model = 'classifier', or engine.kind = 'torch'"
            )


def _simulated(recipe: "Recipe") -> Iterator[str]:
    """Nothing simulated stands beside real events."""
    if recipe.source == "world":
        return
    if recipe.world != type(recipe.world)():
        yield (
            f"[world] sets the simulated world, but source is {recipe.source!r}, which has none: leave [world] out, "
            "or set source = 'world'"
        )
    for name, wanted in recipe.labelled().items():
        if wanted.labels == "world":
            yield (
                f"{name}.labels is 'world' (simulated annotators) but source is {recipe.source!r}: they know "
                f"nothing of real answers. Give {name}.labels = 'reactions', 'judge' or a labels file, or "
                f"{name} = false"
            )
        if wanted.labels is None:
            yield (
                f"{name}.labels is not set. Give 'reactions', 'judge' or a labels file, or {name} = false to "
                "leave it out"
            )
        if wanted.labels == "judge" and wanted.judge is None:
            yield f"{name}.labels is 'judge': say which one in [{name}.judge], with url and model"


def _tuning(recipe: "Recipe") -> Iterator[str]:
    """Policies are tuned as the engine can."""
    try:
        recipe.policy.config.engine_of(recipe.engine)
    except ValueError as error:
        yield str(error)


def _tasks(recipe: "Recipe") -> Iterator[str]:
    """Settings of single tasks name tasks that there are, and every policy has something to learn from."""
    policy, config = recipe.policy, recipe.policy.config
    there = ("love", *recipe.labelled())
    for name in config.tasks:
        if name not in there:
            yield (
                f"policy.config.tasks.{name} are settings of no task: this recipe has {', '.join(there)}; mend the "
                "name, or leave them out"
            )
    others = {name: getattr(policy, name) for name in recipe.labelled()}
    if others and not any(others.values()) and min(policy.love_weights) == 0:
        seen = ", ".join(f"policy.{name} == {weight:g}" for name, weight in others.items())
        yield (
            f"policy.love_weights has 0, and {seen}: that policy would have nothing to learn for. Take 0 out of "
            "love_weights, or give another task a weight above 0"
        )
    shares = [config.tasks[name].weight for name in there if name in config.tasks]
    if len(shares) == len(there) and not any(shares):
        yield (
            "policy.config.tasks gives every task weight 0 in the gradient: nothing would be learnt. Raise one, or "
            "leave one out, which then follows from the tasks' own weights"
        )


def _seeds(recipe: "Recipe") -> Iterator[str]:
    """A run has one seed, so that one recipe gives one result."""
    policy, p_love = recipe.policy.config, recipe.p_love.config
    given = {"policy.config": (policy.seed, type(policy)().seed), "p_love.config": (p_love.seed, type(p_love)().seed)}
    given |= {f"{name}.config": (each.config.seed, type(p_love)().seed) for name, each in recipe.labelled().items()}
    for where, (seed, unset) in given.items():
        if seed not in (unset, recipe.seed):
            yield (
                f"{where}.seed == {seed}, but a run has one seed, the recipe's own (seed == {recipe.seed}): set "
                "that one, and leave this one out"
            )


def _trial(recipe: "Recipe") -> Iterator[str]:
    """What attackers and friends do in the simulated test is asked of the world, which is loaded only then."""
    wanted = recipe.experiment
    if wanted and (wanted.attacks or wanted.social is not None):
        from assets.trial_world import trial_world

        try:
            trial_world(wanted)
        except ValidationError as error:
            seen = error.errors()[0]
            yield f"experiment.{'.'.join(map(str, seen['loc']))}: {seen['msg'].removeprefix('Value error, ')}"
