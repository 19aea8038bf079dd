"""The loop as Dagster assets: the stages that `loveloop run` follows, with checks, plots and history around them.

The environment names the run directory, LOVELOOP_HOME/LOVELOOP_RUN, and its recipe, LOVELOOP_RECIPE.
"""

import dagster as dg

from assets.adversary import adversary_days
from assets.asset import RunResource, as_asset, policy_asset
from assets.checks import CHECKS
from assets.erasure.job import finish_erasures
from assets.pipeline import stages
from assets.upkeep import warehouse_upkeep


def build(run: RunResource) -> dg.Definitions:
    """Every stage of the run's recipe as an asset; the sweep is one asset with a partition for each Love weight.

    Every night a live warehouse is judged for adversaries, its pending erasures are finished and it is compacted; a
    run's own, when someone switches that on.
    """
    recipe = run.recipe()
    live = recipe.source == "warehouse"
    every = stages(recipe)
    sweep = frozenset(stage.name for stage in every if stage.name.startswith("policy-"))
    return dg.Definitions(
        assets=[*(as_asset(stage, sweep) for stage in every if stage.name not in sweep), policy_asset(recipe)],
        asset_checks=CHECKS,
        jobs=[adversary_days, warehouse_upkeep, finish_erasures],
        schedules=[  # erasures before the upkeep
            _nightly("nightly_adversary_days", adversary_days, "15 2 * * *", running=live),
            _nightly("nightly_erasures", finish_erasures, "30 2 * * *", running=live),
            _nightly("nightly_upkeep", warehouse_upkeep, "30 3 * * *", running=live),
        ],
        resources={"run": run},
        executor=dg.in_process_executor,
    )


def _nightly(name: str, job: dg.JobDefinition, cron: str, *, running: bool) -> dg.ScheduleDefinition:
    """A schedule in UTC; one that does not run from the start is switched on in the UI."""
    status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
    return dg.ScheduleDefinition(
        name=name, job=job, cron_schedule=cron, execution_timezone="UTC", default_status=status
    )


defs = build(RunResource.from_environment())
