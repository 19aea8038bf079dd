"""Commands about the warehouse: migrate, status, the ledger."""

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
    """Show versions, rows, dead letters and positions; warn of reactions that wait too long for their response."""
    import json

    from warehouse import queries

    found = queries.counts(warehouse)
    click.echo(json.dumps(found, indent=2, default=str))
    warning = queries.waiting_warning(found)
    if warning:
        click.echo(f"warning: {warning}", err=True)


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
