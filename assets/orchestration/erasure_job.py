"""Erasures as a Dagster job: every night what was asked by event, or was interrupted, is finished."""

import dagster as dg

from assets.asset import RunResource, opened_or_failed


@dg.op
def finish_pending_erasures(context: dg.OpExecutionContext, run: RunResource) -> None:
    """Finish what is pending in the warehouse of the run, over all runs of its home."""
    from assets import erasure

    opened = opened_or_failed(run)
    home = opened.directory.parent
    written = erasure.finish_pending(
        opened.warehouse, homes=[home], sets=[home / "training-sets"], say=context.log.info
    )
    context.add_output_metadata({"erased": len(written), "receipts": [str(file) for file in written]})


@dg.job(description="Finishes erasures that are pending; `loveloop erase --pending` does the same by hand.")
def finish_erasures() -> None:
    """One step."""
    finish_pending_erasures()
