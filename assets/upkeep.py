"""The nightly upkeep of the warehouse as a Dagster job: compaction, old snapshots, files that nobody reads."""

import dagster as dg

from assets.asset import RunResource, opened_or_failed

KEEP_DAYS = 7.0


@dg.op
def compact_warehouse(context: dg.OpExecutionContext, run: RunResource) -> None:
    """Compact the run's warehouse; what it did stands in the run's metadata. Its transactions wait for each other's."""
    from warehouse import upkeep

    done = upkeep.compact(opened_or_failed(run).warehouse, keep_days=KEEP_DAYS)
    context.log.info("%s", done)
    context.add_output_metadata(
        {
            **done.steps,
            "files": done.after.files,
            "megabytes": round(done.after.bytes / 1e6, 1),
            "megabytes_before": round(done.before.bytes / 1e6, 1),
        }
    )


@dg.job(description="Compacts the warehouse; `loveloop warehouse compact` does the same by hand.")
def warehouse_upkeep() -> None:
    """One step."""
    compact_warehouse()
