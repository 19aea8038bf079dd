"""The daily job against adversaries as a Dagster job, for a live warehouse."""

import dagster as dg

from assets.asset import RunResource, opened_or_failed
from assets.errors import expected
from assets.orchestration import days
from streams.record_fields import fields_of


@dg.op
def judge_pending_days(context: dg.OpExecutionContext, run: RunResource) -> None:
    """Judge every day of the run's warehouse that is over; each is told as a partition of `adversary_by_day`."""
    from assets.stages.adversary import summed

    opened = opened_or_failed(run)
    try:
        reports = days.judge(opened, context)
    except expected() as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    found_by_day = {str(report.day): fields_of(report) for report in reports}
    for each in days.materialisations(found_by_day):
        context.log_event(each)
    dial = opened.recipe.adversary.honest_loss
    found = summed([report | {"dial": dial} for report in found_by_day.values()], dial)
    context.add_output_metadata(
        {
            "days": found.days,
            "flags": found.flags,
            "cpu_seconds": found.cpu_seconds,
            "sentences": found.sentences,
        }
    )


@dg.job(description="Judges the days that are over; `loveloop quarantine update` does the same by hand.")
def adversary_days() -> None:
    """One step."""
    judge_pending_days()
