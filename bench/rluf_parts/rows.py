"""The rows of the table: how a policy is trained, at which Love weights, and what makes one of a seed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from assets.recipe import JUDGES, Recipe
from assets.run import Run
from assets.stage import source_digest
from assets.stages import models, policy
from rluf_parts.measure import TRAITS
from rluf_parts.world import merged

FREE: Mapping[str, Any] = {"judges": False, "config": {"pairs": False, "temperature": 1.0}}
JUDGED: Mapping[str, Any] = {"judges": True, "config": {"pairs": False, "temperature": 1.0}}
PAIRED: Mapping[str, Any] = {"judges": True, "config": {"pairs": True, "temperature": 1.0}}
TIGHT: Mapping[str, Any] = {"config": {"kl_limit": 0.1}}
SUPERVISED: Mapping[str, Any] = {"config": {"supervised": 1.0}}
LENGTH: Mapping[str, Any] = {"judges": (*JUDGES, "length"), "judge": {"length": {"most": 24}}}
COOL: Mapping[str, Any] = {"config": {"temperature": 0.7}}
MILD: Mapping[str, Any] = {"config": {"temperature": 0.8}}
CRPG: Mapping[str, Any] = {"config": {"optimiser": "crpg", "lr": 1e-4}}
"""A fifth of the usual rate: an epoch has K times as many steps as CRRAFT's, and some rows have a negative sign."""
CODPO: Mapping[str, Any] = {"config": {"optimiser": "codpo"}}


class Way(NamedTuple):
    """A way to train.

    Attributes:
        words: What it is.
        policy: Settings of the recipe's `[policy]` that differ from the demo's.
        love_weights: At which it is tried; 0 is what its lift is held against.
    """

    words: str
    policy: Mapping[str, Any]
    love_weights: tuple[float, ...] = (0.0, 0.3)


WAYS: Mapping[str, Way] = {
    "free": Way("no judge: the published hack", FREE, (0.0, 0.1, 0.3)),
    "pairs": Way("judges and minimal pairs", PAIRED, (0.0, 0.1, 0.3)),
    "judges": Way("judges that only drop", JUDGED),
    "per_task": Way("no judge; weights as shares of the gradient", merged(FREE, {"config": {"weights": "per_task"}})),
    "kl": Way("no judge; KL limit .1", merged(FREE, TIGHT)),
    "supervised": Way("no judge; a logged text for each row", merged(FREE, SUPERVISED)),
    "pairs+kl": Way("judges, pairs, KL limit .1", merged(PAIRED, TIGHT)),
    "pairs+supervised": Way("judges, pairs, a logged text for each row", merged(PAIRED, SUPERVISED)),
    "pairs+length": Way("judges, pairs, at most 24 words", merged(PAIRED, LENGTH)),
    "pairs+cool": Way("judges, pairs, draws at temperature .7", merged(PAIRED, COOL)),
    "pairs+mild": Way("judges, pairs, draws at temperature .8", merged(PAIRED, MILD), (0.0, 0.3, 1.0)),
    "pairs+mild+length": Way(
        "judges, pairs, draws at temperature .8, at most 24 words",
        merged(merged(PAIRED, MILD), LENGTH),
        (0.0, 0.3, 1.0),
    ),
    "together": Way(
        "judges, pairs, KL limit .1, logged texts, at most 24 words",
        merged(merged(merged(PAIRED, TIGHT), SUPERVISED), LENGTH),
    ),
    "crpg": Way("CRPG under judges", merged(JUDGED, CRPG)),
    "crpg+pairs": Way("CRPG, judges, pairs", merged(PAIRED, CRPG)),
    "codpo": Way("CODPO under judges", merged(JUDGED, CODPO)),
    "codpo+pairs": Way("CODPO, judges, pairs", merged(PAIRED, CODPO)),
}
SHARED = ("incumbent", "helpfulness", "safety", "p_love")
"""Stages whose models all rows of a seed have in common."""
QUICK_ROWS = ("free-0.3", "pairs-0", "pairs-0.3")


class Row(NamedTuple):
    """One policy of each seed: a way to train at a Love weight."""

    way: str
    love_weight: float

    @property
    def name(self) -> str:
        """How `--rows` and files call it."""
        return f"{self.way}-{self.love_weight:g}"


def every_row() -> list[Row]:
    """All rows in the order of the table."""
    return [Row(name, weight) for name, way in WAYS.items() for weight in way.love_weights]


def chosen(wanted: str) -> list[Row]:
    """Rows by name, with commas between them, in the order given; a way alone stands for all its weights.

    Raises:
        ValueError: A name is none.
    """
    found: list[Row] = []
    for name in wanted.split(","):
        these = [row for row in every_row() if name in (row.way, row.name)]
        if not these:
            raise ValueError(f"{name!r} is no row; there are {', '.join(row.name for row in every_row())}")
        found += [row for row in these if row not in found]
    return found


def recipe_for(row: Row, recipe: Recipe) -> Recipe:
    """The seed's recipe with this row's settings of the policy."""
    own = merged(recipe.policy.model_dump(), WAYS[row.way].policy)
    return Recipe.model_validate(recipe.model_dump() | {"policy": own})


def trained(run: Run, row: Row) -> tuple[Path, dict[str, Any]]:
    """Train a row's policy by the loop's own stage; what was interrupted goes on.

    Policies of one Love weight take the same place one after the other, so a policy is measured before the next one is
    trained. Samples of the first round are shared by all rows of a seed.

    Returns:
        Where the policy lies, and what its stage says about it.
    """
    own = replace(run, recipe=recipe_for(row, run.recipe))
    facts = policy.stage(row.love_weight, own.recipe).work(own)
    return run.directory / str(facts["place"]), facts


def key(run: Run, row: Row | None) -> str:
    """Names all that a row's figures depend on; of the incumbent without a row."""
    recipe = recipe_for(row, run.recipe) if row else run.recipe
    own = [row.love_weight, recipe.policy.model_dump(mode="json")] if row else None
    shared = [run.recorded(name)["fingerprint"] for name in SHARED]
    content = [own, shared, recipe.seed, recipe.evaluation.model_dump(mode="json"), source_digest("training"), TRAITS]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def incumbent(run: Run) -> Path:
    """Where the incumbent lies, which all rows are compared with."""
    return Path(models.incumbent(run))
