"""From the warehouse to an immutable training set: the clean feedback, then its frozen copy."""

from pathlib import Path
from typing import Any

import msgspec

from assets.facts.feedback import CleanFeedbackFacts, TrainingSetFacts
from assets.run import Run
from assets.stage import Stage
from assets.stages import adversary, ingest


def training_set_directory(run: Run) -> Path:
    """The run's training set, as its stage recorded it; without the users who were erased since."""
    from warehouse.erased_sets import current

    return current(run.directory / run.facts(TrainingSetFacts).directory)


def _clean_feedback(run: Run) -> CleanFeedbackFacts:
    from warehouse import queries

    found = queries.clean_feedback_summary(
        run.warehouse,
        as_of=ingest.as_of(run),
        maturity_hours=run.recipe.training_set.maturity_hours,
        positive=run.recipe.training_set.positive,
    )
    summary = f"{found['rows']:,} mature, clean responses; Love rate {found['love_rate']:.3%}"
    return CleanFeedbackFacts(summary=summary, **found)


def _training_set(run: Run) -> TrainingSetFacts:
    from warehouse import training_set

    out = run.directory / "training-sets"
    wanted = run.recipe.training_set
    manifest = training_set.build(
        run.warehouse,
        out,
        as_of=ingest.as_of(run),
        maturity_hours=wanted.maturity_hours,
        credit=wanted.credit,
        decay=wanted.decay,
        positive=wanted.positive,
        young=wanted.young,
    )
    directory = out / manifest.hash[:12]
    young = f", {manifest.young:,} of them young" if wanted.young else ""
    return TrainingSetFacts(
        summary=f"{manifest.rows:,} examples, {manifest.positives:,} loves{young}, {directory.name}",
        directory=run.relative(directory),
        **msgspec.structs.asdict(manifest),
    )


def erasures(run: Run) -> Any:
    """Whoever asked to be erased since, and what people decided about flags, changes the clean feedback."""
    from warehouse.snapshot import filter_snapshot

    return filter_snapshot(run.warehouse, with_flags=False)


CLEAN = Stage(
    "clean_feedback",
    "clean feedback: mature, deduplicated, without adversaries",
    _clean_feedback,
    (adversary.STAGE.name,),
    lambda recipe: recipe.training_set,
    inputs=erasures,
    code=("warehouse",),
)
TRAINING_SET = Stage(
    "training_set",
    "training set: frozen, named by its content",
    _training_set,
    (CLEAN.name,),
    lambda recipe: recipe.training_set,
    code=("warehouse",),
)
