"""The daily job against adversaries as a Dagster job, for a live warehouse."""

from pathlib import Path

import dagster as dg

from assets.asset import RunResource


@dg.op
def judge_pending_days(context: dg.OpExecutionContext, run: RunResource) -> None:
    """Judge every day of the run's warehouse that is over; what was found stands in the run's metadata."""
    from assets.stages.adversary import summed
    from training.trust import CrossFit
    from warehouse.adversary.daily import periodic

    recipe = run.recipe()
    reports = periodic.run(
        recipe.warehouse or Path(run.directory) / "warehouse.duckdb",
        CrossFit.load,
        honest_loss=recipe.adversary.honest_loss,
        say=context.log.info,
    )
    dial = recipe.adversary.honest_loss
    found = summed([report._asdict() | {"dial": dial} for report in reports], dial)
    context.add_output_metadata({name: found[name] for name in ("days", "flags", "cpu_seconds", "sentences")})


@dg.job(description="Judges the days that are over; `loveloop quarantine update` does the same by hand.")
def adversary_days() -> None:
    """One step."""
    judge_pending_days()
