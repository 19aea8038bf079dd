"""Jobs over the assets, and when they run: the cycle by itself, its parts, and the readout of a running A/B test."""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.asset import RunResource, StageConfig
from assets.errors import expected
from assets.lock import holder
from assets.orchestration import words

WHILE_HELD = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL)
"""A step of a job waits while somebody else works in the run: 1, 2 and 4 minutes; then it fails, saying who."""
_LOOP = "Every stage, only what is stale: with new feedback a whole cycle, otherwise nothing."
_RETRAIN = "From the warehouse to P[Love] and the other reward models, only what is stale."
_SWEEP = "From the models to a policy for each Love weight, the staged candidate and the report, only what is stale."
_READOUT = "Reads the A/B test of the staged candidate, writes the lift ledger and the report, only what is stale."


def jobs(stages: Iterable[str]) -> dict[str, AssetJob]:
    """The jobs `loop`, `retrain`, `sweep` and, where there is an A/B test, `readout`, by name."""
    every = list(stages)
    sweeps = [name for name in every if words.group(name) in ("policies", "launch")]
    before = [name for name in every if name not in sweeps and name != "events"]
    trial: list[str] = [name for name in ("experiment_readout", "lift_ledger", "report") if name in every]
    found: dict[str, AssetJob] = {
        "loop": _job("loop", every, _LOOP),
        "retrain": _job("retrain", before, _RETRAIN),
        "sweep": _job("sweep", sweeps, _SWEEP),
    }
    return found | ({"readout": _job("readout", trial, _READOUT)} if len(trial) > 1 else {})


def sweep(stages: Iterable[str]) -> dict[str, str]:
    """The tags of a run that makes the policies of every Love weight, which each run of `loop` and `sweep` needs.

    Such a job holds whole assets beside a partitioned one. One run does all of it where its tags name the range of
    partitions; Dagster takes them from a request alone, not from a job or a schedule.
    """
    parts = [part for name in stages if (part := words.partition(name))]
    return {ASSET_PARTITION_RANGE_START_TAG: parts[0], ASSET_PARTITION_RANGE_END_TAG: parts[-1]}


def schedules(named: dict[str, AssetJob], tags: dict[str, str], *, live: bool) -> list[dg.ScheduleDefinition]:
    """When the jobs run, in UTC. Those of a live run are on from the start; the others are switched on in the UI.

    The whole cycle runs once a day. Its two halves have schedules of their own, off, for those who train at other hours
    than they sweep.

    Args:
        named: The jobs, by name.
        tags: Of runs that sweep.
        live: The run reads a live warehouse.
    """
    found = [
        _schedule("daily_loop", named["loop"], "0 4 * * *", tags, running=live),
        _schedule("nightly_retrain", named["retrain"], "0 4 * * *", {}, running=False),
        _schedule("weekly_sweep", named["sweep"], "0 6 * * 1", tags, running=False),
    ]
    return [*found, _readouts(named["readout"], running=live)] if "readout" in named else found


def _job(name: str, stages: Iterable[str], description: str) -> AssetJob:
    assets = list(dict.fromkeys(words.asset_name(stage) for stage in stages))
    return dg.define_asset_job(
        name,
        dg.AssetSelection.assets(*assets),
        config=dg.RunConfig(ops={asset: StageConfig(anew=False) for asset in assets}),
        description=description,
        op_retry_policy=WHILE_HELD,
    )


def _schedule(name: str, job: AssetJob, cron: str, tags: dict[str, str], *, running: bool) -> dg.ScheduleDefinition:
    @dg.schedule(name=name, job=job, cron_schedule=cron, execution_timezone="UTC", default_status=status(running))
    def requested(
        context: dg.ScheduleEvaluationContext,  # noqa: ARG001  (Dagster's signature)
    ) -> dg.RunRequest:
        return dg.RunRequest(tags=tags)

    return requested


def _readouts(job: AssetJob, *, running: bool) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="hourly_readout",
        job=job,
        cron_schedule="20 * * * *",
        execution_timezone="UTC",
        default_status=status(running),
    )
    def hourly_readout(
        context: dg.ScheduleEvaluationContext,  # noqa: ARG001  (Dagster's signature)
        run: RunResource,
    ) -> dg.RunRequest | dg.SkipReason:
        return waits(run) or dg.RunRequest()

    return hourly_readout


def waits(run: RunResource) -> dg.SkipReason | None:
    """Why nothing is read out now; None when it can be."""
    try:
        seen = run.seen()
    except expected() as error:
        return dg.SkipReason(str(error))
    if seen.finished("candidate") is None:
        return dg.SkipReason(f"no candidate is staged in {seen.directory}: the job loop makes one")
    held = holder(seen.directory)
    return dg.SkipReason(f"{held} works in {seen.directory}") if held else None


def status(running: bool) -> dg.DefaultScheduleStatus:
    """Whether a schedule is on from the start."""
    return dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
