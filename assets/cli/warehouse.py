"""Commands about the warehouse: migrate, status, training sets, the ledger."""

from datetime import datetime
from pathlib import Path

import click

from assets.cli import options


@click.group()
def warehouse() -> None:
    """Migrate the warehouse, or show what it holds."""


@warehouse.command()
@options.warehouse
def migrate(warehouse: options.Target) -> None:
    """Bring the warehouse's tables to this version."""
    from warehouse import connection

    applied = connection.open(warehouse).migrate()
    click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to do")


@warehouse.command()
@options.warehouse
def status(warehouse: options.Target) -> None:
    """Show versions, rows, dead letters and positions."""
    import json

    from warehouse import queries

    click.echo(json.dumps(queries.counts(warehouse), indent=2, default=str))


@click.command("training-set")
@options.warehouse
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data/training-sets"),
    show_default=True,
    help="Its parent folder.",
)
@click.option("--as-of", type=click.DateTime(), help="The moment (UTC) at which maturity is judged; now if left out.")
@click.option(
    "--maturity-hours",
    type=float,
    default=24.0,
    show_default=True,
    help="Younger responses are unlabelled, not negative.",
)
def training_set(warehouse: options.Target, out: Path, as_of: datetime | None, maturity_hours: float) -> None:
    """Freeze the clean feedback into an immutable training set: Parquet and a manifest named by their content."""
    from datetime import UTC

    from warehouse import training_set as sets

    moment = as_of.replace(tzinfo=UTC) if as_of else None
    manifest = sets.build(warehouse, out, as_of=moment, maturity_hours=maturity_hours)
    click.echo(f"{manifest.rows:,} rows, {manifest.positives:,} loves: {out / manifest.hash[:12]}")


@click.command()
@options.warehouse
def ledger(warehouse: options.Target) -> None:
    """Show predicted beside measured lift, experiment by experiment, and how well the two agree."""
    import json

    from experiments import ledger as book
    from warehouse import queries

    rows = queries.ledger(warehouse)
    click.echo(json.dumps(rows, indent=2, default=str))
    click.echo(str(book.agreement(rows)))
