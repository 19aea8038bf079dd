"""Commands that move history: import files into the warehouse, export events or tables from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from assets.cli import options

if TYPE_CHECKING:
    from warehouse.transfer.foreign import Columns


class _Pair(click.ParamType):
    """`left=right`."""

    name = "pair"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The two sides."""
        left, equals, right = str(value).partition("=")
        if not left or not equals or not right:
            self.fail(f"{value!r} has no two sides: write FIELD=COLUMN or FIELD=VALUE", param, ctx)
        return left.strip(), right.strip()


@click.command("import")
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@options.warehouse
@click.option(
    "--map",
    "fields",
    type=_Pair(),
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Column of a field; dots lead into nested ones.",
)
@click.option(
    "--set",
    "constants",
    type=_Pair(),
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field that is the same in every row.",
)
@click.option(
    "--kind",
    type=click.Choice(["response_served", "reaction_changed", "erasure_requested"]),
    help="The type of every row.",
)
@click.option(
    "--map-reaction",
    "meanings",
    multiple=True,
    metavar="NAME=REACTION",
    help="What a value of `reaction` means: 1=like, -1=dislike, great=love; for numbers also >=4=love.",
)
@click.option("--zone", help="Time zone of moments that name none, such as UTC or Europe/Berlin.")
@click.option("--dry-run", is_flag=True, help="Show the first events and what breaks the contract; store nothing.")
def import_(
    paths: tuple[Path, ...], warehouse: options.Target, *, fields: tuple[tuple[str, str], ...],
    constants: tuple[tuple[str, str], ...], kind: str | None, meanings: tuple[str, ...],
    zone: str | None, dry_run: bool,
) -> None:  # fmt: skip
    r"""Store events from FILEs (.jsonl, .ndjson, .json, .parquet; JSON also .gz, .zst), each exactly once.

    Kill it at any moment and run it again: it goes on. Run it twice: it does nothing. Rows of another table become
    events by --map, --set and --kind; rows that break the contract become dead letters.

    \b
    Example:
      loveloop import history.parquet
      loveloop import hearts.parquet --kind reaction_changed --map user_id=uid \
          --map response_id=message_id --map reacted_at=created --map reaction=emoji \
          --set action=added --set session_id=unknown --zone UTC --dry-run
    """
    from warehouse import uncounted
    from warehouse.transfer import importing, reactions
    from warehouse.transfer.foreign import Columns

    columns = Columns(dict(fields), dict(constants), kind, zone, tuple(map(reactions.parse, meanings)))
    if dry_run:
        return _preview(paths, columns)
    done = importing.import_files(warehouse, paths, columns)
    if done.finished_before:
        click.echo(f"{done.finished_before:,} of {len(paths):,} files had been imported before: nothing to do for them")
    click.echo(
        f"{done.events:,} rows: {done.rows['responses']:,} responses, {done.rows['reactions']:,} reactions, "
        f"{done.rows['erasures']:,} erasures, {done.duplicates:,} duplicates dropped, {done.erased:,} of erased users, "
        f"{done.dead_letters:,} dead letters  ({done.seconds:.1f} s)"
    )
    if done.dead_letters:
        click.echo("`loveloop dead-letters list` shows what broke the contract and why")
    if meanings:
        told = ", ".join(
            f"{count:,} x {seen} as {meant}" for seen, meant, count in reactions.read_as(warehouse, done.topics)
        )
        click.echo(f"reactions read by what they mean: {told or 'none'}; what stood there is kept in `original`")
    if taken := uncounted.taken_ids_warning(uncounted.taken_ids(warehouse, done.topics)):
        click.echo(f"warning: {taken}", err=True)
    return _tell_of_judged_days(warehouse)


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


def _tell_of_judged_days(warehouse: options.Target) -> None:
    """Where later days are judged already, say what becomes of the days that were imported."""
    from warehouse import connection
    from warehouse.adversary.daily import days, gaps

    with connection.open(warehouse).read() as reader:
        last = days.last_judged(reader)
        waiting = gaps.pending(reader, last) if last else 0
        late = gaps.late_rows(reader)
    if waiting:
        click.echo(
            f"days before {last} that wait to be judged: {waiting:,}; the nightly job or `loveloop quarantine update` "
            "judges them"
        )
    if late:
        click.echo(late.sentence)


def _preview(paths: Iterable[Path], columns: Columns) -> None:
    from warehouse.transfer import importing

    for path in paths:
        seen = importing.preview(path, columns)
        click.echo(f"{path}: {seen.judged:,} rows looked at, nothing stored")
        for line in seen.lines:
            click.echo(f"  {line.decode(errors='backslashreplace')}")
        for reason, count in seen.reasons.items():
            click.echo(f"  {count:,} x {reason}, as in {seen.examples[reason]}")
        if not seen.reasons:
            click.echo("  all of them keep the contract")
        if seen.left_out:
            click.echo(f"  left out: {', '.join(seen.left_out)}")
