"""The loop as Dagster assets: the stages that `loveloop run` follows, with checks, plots and history around them.

The environment names one run directory, LOVELOOP_HOME/LOVELOOP_RUN, and its recipe, LOVELOOP_RECIPE (see assets/asset.py).
"""

import dagster as dg

from assets.asset import RunResource, as_asset, policy_asset
from assets.checks import CHECKS
from assets.pipeline import stages

RUN = RunResource.from_environment()
RECIPE = RUN.open().recipe
STAGES = stages(RECIPE)
SWEEP = frozenset(stage.name for stage in STAGES if stage.name.startswith("policy-"))

defs = dg.Definitions(
    assets=[*(as_asset(stage, SWEEP) for stage in STAGES if stage.name not in SWEEP), policy_asset(RECIPE)],
    asset_checks=CHECKS,
    resources={"run": RUN},
    executor=dg.in_process_executor,
)
