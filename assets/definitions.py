"""The loop as Dagster assets: the stages that `loveloop run` follows, with checks, plots and history around them.

The environment names the run directory, LOVELOOP_HOME/LOVELOOP_RUN, and its recipe, LOVELOOP_RECIPE.
"""

import dagster as dg

from assets.asset import RunResource, as_asset, policy_asset
from assets.checks import CHECKS
from assets.erasure import job as erasure
from assets.pipeline import stages
from assets.upkeep import nightly, warehouse_upkeep


def build(run: RunResource) -> dg.Definitions:
    """Every stage of the run's recipe as an asset; the sweep is one asset with a partition for each Love weight.

    A live warehouse is compacted and its pending erasures are finished every night; a run's own, when someone switches
    that on.
    """
    recipe = run.recipe()
    every = stages(recipe)
    sweep = frozenset(stage.name for stage in every if stage.name.startswith("policy-"))
    return dg.Definitions(
        assets=[*(as_asset(stage, sweep) for stage in every if stage.name not in sweep), policy_asset(recipe)],
        asset_checks=CHECKS,
        jobs=[warehouse_upkeep, erasure.finish_erasures],
        schedules=[each(running=recipe.source == "warehouse") for each in (nightly, erasure.nightly)],
        resources={"run": run},
        executor=dg.in_process_executor,
    )


defs = build(RunResource.from_environment())
