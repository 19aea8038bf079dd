"""From the warehouse to an immutable training set: the clean feedback, then its frozen copy."""

from datetime import datetime
from pathlib import Path

from assets.run import Facts, Run, Stage
from assets.stages import adversary, source


def training_set_directory(run: Run) -> Path:
    """The run's training set, as its stage recorded it; without the users who were erased since."""
    from warehouse.erased_sets import current

    return current(Path(run.facts("training_set")["directory"]))


def _clean_feedback(run: Run) -> Facts:
    from warehouse import queries

    found = queries.clean_feedback_summary(
        run.warehouse, as_of=_as_of(run), maturity_hours=run.recipe.training_set.maturity_hours
    )
    return {"summary": f"{found['rows']:,} mature, clean responses; Love rate {found['love_rate']:.3%}", **found}


def _training_set(run: Run) -> Facts:
    from warehouse import training_set

    out = run.directory / "training-sets"
    wanted = run.recipe.training_set
    manifest = training_set.build(
        run.warehouse,
        out,
        as_of=_as_of(run),
        maturity_hours=wanted.maturity_hours,
        credit=wanted.credit,
        decay=wanted.decay,
    )
    directory = out / manifest.hash[:12]
    facts = manifest.as_dict()
    return {
        "summary": f"{manifest.rows:,} examples, {manifest.positives:,} loves, {directory.name}",
        "directory": str(directory),
        **facts,
    }


def _as_of(run: Run) -> datetime | None:
    """In the synthetic world the clock is the world's own; elsewhere it is the wall clock."""
    return source.world_config(run).ends_at if run.recipe.source == "world" else None


CLEAN = Stage(
    "clean_feedback",
    "clean feedback: mature, deduplicated, without adversaries",
    _clean_feedback,
    (adversary.STAGE.name,),
    lambda recipe: recipe.training_set,
)
TRAINING_SET = Stage(
    "training_set",
    "training set: frozen, named by its content",
    _training_set,
    (CLEAN.name,),
    lambda recipe: recipe.training_set,
)
