"""The days of a warehouse as daily partitions: what came in, and whom the daily job flagged."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from assets.asset import RunResource, opened_or_failed
from assets.errors import expected
from assets.lock import alone
from assets.orchestration import words
from assets.run import Run
from streams.record_fields import fields_of

if TYPE_CHECKING:
    from warehouse.adversary.daily.periodic import DayReport

EVENTS, JUDGED = "events_by_day", "adversary_by_day"
_EVENTS_WORDS = "What came in on each UTC day: responses, users, reactions and loves in the warehouse."
_JUDGED_WORDS = (
    "Whom the daily job against adversaries flagged on each UTC day. Materialising a day judges every day that is "
    "pending up to it, in order; a day that is judged stays so."
)


def assets(run: RunResource) -> list[dg.AssetsDefinition]:
    """Both assets, partitioned by the days of the run's warehouse."""
    every = partitions(run)

    @dg.asset(
        name=EVENTS,
        deps=["ingest"],
        description=_EVENTS_WORDS,
        partitions_def=every,
        group_name="feedback",
        owners=words.OWNERS,
        kinds={"duckdb"},
    )
    def events_by_day(context: dg.AssetExecutionContext, run: RunResource) -> dg.MaterializeResult[None]:
        from warehouse import pulse

        opened = opened_or_failed(run)
        wanted = date.fromisoformat(context.partition_key)
        found = next((each for each in pulse.days(opened.warehouse) if each["day"] == wanted), {})
        return dg.MaterializeResult(metadata=_counted(found))

    @dg.asset(
        name=JUDGED,
        deps=[EVENTS],
        description=_JUDGED_WORDS,
        partitions_def=every,
        group_name="feedback",
        owners=words.OWNERS,
        kinds={"duckdb"},
    )
    def adversary_by_day(context: dg.AssetExecutionContext, run: RunResource) -> dg.MaterializeResult[None]:
        opened = opened_or_failed(run)
        wanted = date.fromisoformat(context.partition_key)
        try:
            judged = judge(opened, context, until=wanted)
        except expected() as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        others = {str(each.day): fields_of(each) for each in judged if each.day != wanted}
        for event in materialisations(others):
            context.log_event(event)
        return dg.MaterializeResult(metadata=_found(_judged(opened).get(context.partition_key, {})))

    return [events_by_day, adversary_by_day]


def judge(
    run: Run, context: dg.AssetExecutionContext | dg.OpExecutionContext, *, until: date | None = None
) -> "list[DayReport]":
    """Judge the days that are pending and over, in order.

    Raises:
        ValueError: `until` is not over yet by the log's own clock.
        RunHeldError: It is the run's own warehouse, and somebody works in the run. A live one is everybody's.
    """
    from training.trust import CrossFit
    from warehouse.adversary.daily import periodic

    _over(run, until)
    mine = alone(run.directory, "Dagster, the daily job") if run.recipe.source != "warehouse" else nullcontext()
    with mine:
        return periodic.run(
            run.warehouse,
            CrossFit.load,
            until=until,
            honest_loss=run.recipe.adversary.honest_loss,
            say=context.log.info,
        )


def _over(run: Run, day: date | None) -> None:
    """A day is judged once, so it must be over."""
    from warehouse import connection
    from warehouse.adversary.daily import days, periodic

    if day is None:
        return
    with connection.open(run.warehouse).read() as reader:
        last = max(filter(None, (days.last_over(reader, periodic.LATENESS), days.last_judged(reader))), default=None)
    if last is None or day > last:
        raise ValueError(
            f"{day} is not over by the log's own clock (the last day that is: {last or 'none'}); a day is judged once, "
            "so wait for responses of the day after it"
        )


def partitions(run: RunResource) -> dg.DailyPartitionsDefinition:
    """From the warehouse's first day on; those of a simulated world end with it."""
    from assets.stages import source
    from warehouse import pulse

    seen = run.seen()
    if seen.recipe.source == "world":
        ends = source.world_config(seen).ends_at
        starts = ends - timedelta(days=seen.recipe.world.days + 1)
        return dg.DailyPartitionsDefinition(
            starts.date().isoformat(), end_date=(ends + timedelta(days=5)).date().isoformat()
        )
    try:
        first = pulse.first_day(seen.warehouse)
    except expected():  # it is not there yet, or does not answer: reloading the code looks again
        first = None
    return dg.DailyPartitionsDefinition((first or datetime.now(UTC).date() - timedelta(days=1)).isoformat())


def untold(instance: dg.DagsterInstance, run: Run) -> Iterator[dg.AssetMaterialization]:
    """Days of the warehouse that Dagster does not know yet. The day that goes on is left out."""
    from warehouse import pulse

    try:
        came, judged = pulse.days(run.warehouse), _judged(run)
    except expected():
        return
    known = instance.get_materialized_partitions(dg.AssetKey(EVENTS))
    for each in came[:-1]:
        if str(each["day"]) not in known:
            yield dg.AssetMaterialization(EVENTS, partition=str(each["day"]), metadata=_counted(each))
    known = instance.get_materialized_partitions(dg.AssetKey(JUDGED))
    yield from materialisations({day: found for day, found in judged.items() if day not in known})


def _judged(run: Run) -> dict[str, Mapping[str, Any]]:
    from warehouse.adversary import excluded

    return {str(each["day"]): each for each in excluded.judged_days(run.warehouse)}


def materialisations(judged: Mapping[str, Mapping[str, Any]]) -> Iterator[dg.AssetMaterialization]:
    """Days that were just judged, as events."""
    for day, found in judged.items():
        yield dg.AssetMaterialization(JUDGED, partition=day, metadata=_found(found))


def _counted(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: int(row.get(name, 0)) for name in ("responses", "users", "reactions", "loves")}
    return found | {"dagster/row_count": found["responses"] + found["reactions"]}


def _found(report: Mapping[str, Any]) -> dict[str, Any]:
    if not report:
        return {"flagged": "nothing happened on this day"}
    flags = report.get("flags", {})
    told = ", ".join(f"{count} by {name}" for name, count in flags.items()) or "nobody"
    return {"flagged": told, "users_flagged": sum(flags.values()), "users_judged": report.get("users", 0)}
