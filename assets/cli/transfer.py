"""The command that moves history out: events or tables from the warehouse into a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from assets.cli import options


@click.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@options.warehouse
@click.option("--table", help="Write this table or view (.parquet, .csv) instead of the events (.jsonl, .parquet).")
@click.option("--as-of", type=click.DateTime(), help="Judge states and maturity at this moment (UTC); now if left out.")
@click.option(
    "--maturity-hours",
    type=options.HOURS,
    default=24.0,
    show_default=True,
    help="For clean_feedback: younger responses are left out.",
)
def export(
    out: Path, warehouse: options.Target, *, table: str | None, as_of: datetime | None, maturity_hours: float
) -> None:
    r"""Write all events in the order of time to OUT, ready for `loveloop import`; or one table.

    \b
    Example:
      loveloop export events.parquet
      loveloop export clean.parquet --table clean_feedback --as-of 2026-11-01
    """
    from warehouse.transfer import exporting

    if table is None:
        if as_of is not None:
            raise click.UsageError("--as-of goes with --table: events have no state")
        done = exporting.export_events(warehouse, out)
        if done.erasures:
            click.echo(
                f"{done.erasures:,} requests for erasure are left out: only hashes of their users are known",
                err=True,
            )
    else:
        moment = as_of.replace(tzinfo=UTC) if as_of else None
        done = exporting.export_table(warehouse, table, out, as_of=moment, maturity_hours=maturity_hours)
    click.echo(f"{done.rows:,} {'events' if table is None else 'rows'}: {out}")
