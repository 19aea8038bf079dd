"""Commands about the warehouse: migrate, status, the ledger."""

import click

from assets.cli import options


@click.group()
def warehouse() -> None:
    """Migrate or compact the warehouse, or show what it holds."""


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
    """Show versions, rows, dead letters and positions; warn of reactions that wait too long for their response."""
    import json

    from warehouse import queries

    found = queries.counts(warehouse)
    click.echo(json.dumps(found, indent=2, default=str))
    warning = queries.waiting_warning(found)
    if warning:
        click.echo(f"warning: {warning}", err=True)


@warehouse.command()
@options.warehouse
@click.option(
    "--keep-days",
    type=click.FloatRange(min=0),
    default=7.0,
    show_default=True,
    help="How far back a lake can still be read as it was.",
)
@click.option("--purge", is_flag=True, help="Also make the bytes of deleted rows vanish now, old snapshots included.")
@click.option("--dry-run", is_flag=True, help="Change nothing, say what there is to do.")
def compact(warehouse: options.Target, keep_days: float, *, purge: bool, dry_run: bool) -> None:
    """Make the warehouse small and quick again: fold small pieces together, delete what nobody reads any more."""
    from warehouse.storage import upkeep

    if purge and dry_run:
        raise click.UsageError("--purge and --dry-run exclude each other; leave --purge out to see what there is to do")
    done = upkeep.purge(warehouse) if purge else upkeep.compact(warehouse, keep_days=keep_days, dry_run=dry_run)
    click.echo(str(done))


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
