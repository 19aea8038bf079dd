"""Jobs over the assets, and when they run: the cycle by itself, its parts, and the readout of a running A/B test."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition as AssetJob
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.asset import RunResource, StageConfig
from assets.errors import expected
from assets.lock import holder
from assets.orchestration import words

WHILE_HELD = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL)
"""A step of a job waits while somebody else works in the run: 1, 2 and 4 minutes; then it fails, saying who."""
_DONE = {
    "loop": "Every stage, only what is stale: with new feedback a whole cycle, otherwise nothing.",
    "retrain": "From the warehouse to P[Love] and the other reward models, only what is stale.",
    "sweep": "From the models to a policy for each Love weight, the candidate and the report, only what is stale.",
    "readout": "Reads the A/B test of the staged candidate, writes the lift ledger and the report, only what is stale.",
}
"""What each job does."""


def members(stages: Iterable[str]) -> dict[str, list[str]]:
    """The stages of the jobs `loop`, `retrain`, `sweep` and, where there is an A/B test, `readout`, by job."""
    every = list(stages)
    sweeps = [name for name in every if words.group(name) in ("policies", "launch")]
    before = [name for name in every if name not in sweeps and name != "events"]
    trial: list[str] = [name for name in ("experiment_readout", "lift_ledger", "report") if name in every]
    found = {"loop": every, "retrain": before, "sweep": sweeps}
    return found | ({"readout": trial} if len(trial) > 1 else {})


def jobs(of: Mapping[str, Iterable[str]]) -> dict[str, AssetJob]:
    """The jobs of these stages, by name."""
    return {name: _job(name, stages) for name, stages in of.items()}


def request(stages: Iterable[str], **more: Any) -> dg.RunRequest:
    """A run of the job over these stages that makes what is stale: every Love weight, and all the rest, in one run.

    A job that holds whole assets beside a partitioned one needs the range of partitions in the run's tags, which
    Dagster takes from a request alone, not from a job or a schedule. For such a run it leaves the job's own config out,
    so the request brings that too.

    Args:
        stages: Those of the job.
        more: Further arguments of the request.
    """
    every = list(stages)
    parts = [part for name in every if (part := words.partition(name))]
    span = {ASSET_PARTITION_RANGE_START_TAG: parts[0], ASSET_PARTITION_RANGE_END_TAG: parts[-1]} if parts else {}
    return dg.RunRequest(**more | {"tags": span | more.get("tags", {}), "run_config": _only_stale(_assets(every))})


def schedules(
    named: dict[str, AssetJob], of: Mapping[str, Iterable[str]], *, live: bool
) -> list[dg.ScheduleDefinition]:
    """When the jobs run, in UTC. Those of a live run are on from the start; the others are switched on in the UI.

    The whole cycle runs once a day. Its two halves have schedules of their own, off, for those who train at other hours
    than they sweep.

    Args:
        named: The jobs, by name.
        of: Their stages.
        live: The run reads a live warehouse.
    """
    wanted = [("daily_loop", "loop", "0 4 * * *", live), ("nightly_retrain", "retrain", "0 4 * * *", False)]
    wanted += [("weekly_sweep", "sweep", "0 6 * * 1", False)]
    found = [_schedule(name, named[job], cron, of[job], running=running) for name, job, cron, running in wanted]
    return [*found, _readouts(named["readout"], running=live)] if "readout" in named else found


def _job(name: str, stages: Iterable[str]) -> AssetJob:
    assets = _assets(stages)
    return dg.define_asset_job(
        name,
        dg.AssetSelection.assets(*assets),
        config=_only_stale(assets),
        description=_DONE[name],
        op_retry_policy=WHILE_HELD,
    )


def _assets(stages: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(map(words.asset_name, stages)))


def _only_stale(assets: Iterable[str]) -> dg.RunConfig:
    return dg.RunConfig(ops={asset: StageConfig(anew=False) for asset in assets})


def _schedule(name: str, job: AssetJob, cron: str, stages: Iterable[str], *, running: bool) -> dg.ScheduleDefinition:
    @dg.schedule(name=name, job=job, cron_schedule=cron, execution_timezone="UTC", default_status=status(running))
    def requested(
        context: dg.ScheduleEvaluationContext,  # noqa: ARG001  (Dagster's signature)
    ) -> dg.RunRequest:
        return request(stages)

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
