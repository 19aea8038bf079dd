"""The loop in Dagster: the stages that `loveloop run` follows as assets, with checks, days, jobs, schedules, sensors.

The environment names the run's directory, LOVELOOP_HOME/LOVELOOP_RUN, and its recipe, LOVELOOP_RECIPE; `loveloop ui`
sets it. docs/dagster.md is the guide.
"""

import dagster as dg

from assets.asset import RunResource, as_assets
from assets.checks import checks
from assets.orchestration import days, jobs, sensors
from assets.orchestration.adversary_job import adversary_days
from assets.orchestration.erasure_job import finish_erasures
from assets.pipeline import stages
from assets.upkeep import warehouse_upkeep


def build(run: RunResource) -> dg.Definitions:
    """Every stage of the run's recipe as an asset; the policies of its Love weights are the partitions of one.

    On a live warehouse schedules and sensors are on from the start: every night it is judged for adversaries, pending
    erasures are finished, it is compacted, and a cycle learns from what is new. Those of other runs are switched on in
    the UI.
    """
    recipe = run.recipe()
    live = recipe.source == "warehouse"
    every = stages(recipe)
    names = [stage.name for stage in every]
    of = jobs.members(names)
    named = jobs.jobs(of)
    return dg.Definitions(
        assets=[*as_assets(every, live=live), *days.assets(run)],
        asset_checks=checks(names),
        jobs=[*named.values(), adversary_days, warehouse_upkeep, finish_erasures],
        schedules=[  # erasures before the upkeep, and both before the cycle
            *jobs.schedules(named, of, live=live),
            _nightly("nightly_adversary_days", adversary_days, "15 2 * * *", running=live),
            _nightly("nightly_erasures", finish_erasures, "30 2 * * *", running=live),
            _nightly("nightly_upkeep", warehouse_upkeep, "30 3 * * *", running=live),
        ],
        sensors=sensors.sensors(named, of, live=live),
        resources={"run": run},
        executor=dg.in_process_executor,
    )


def _nightly(name: str, job: dg.JobDefinition, cron: str, *, running: bool) -> dg.ScheduleDefinition:
    """A schedule in UTC; one that does not run from the start is switched on in the UI."""
    return dg.ScheduleDefinition(
        name=name, job=job, cron_schedule=cron, execution_timezone="UTC", default_status=jobs.status(running)
    )


defs = build(RunResource.from_environment())
