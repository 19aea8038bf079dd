"""Commands about the warehouse: migrate, status, the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from assets.cli import options
from assets.cli.tables import counted, moment, table

if TYPE_CHECKING:
    from experiments.ledger import Agreement

_json = click.option("--json", "as_json", is_flag=True, help="Write JSON instead, with every figure.")


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
@_json
def status(warehouse: options.Target, as_json: bool) -> None:
    """Show versions, rows, dead letters and positions; warn of reactions that wait too long for their response."""
    import json

    from warehouse import connection, queries, uncounted_feedback

    found = queries.counts(warehouse)
    if as_json:
        click.echo(json.dumps(found, indent=2, default=str))
    else:
        click.echo(f"warehouse: {connection.open(warehouse).name}\n" + "\n".join(_told(found)))
    taken = uncounted_feedback.taken_ids_warning(found["ids_taken"], found["ids_taken_reactions"])
    for warning in filter(None, (queries.waiting_warning(found), taken)):
        click.echo(f"warning: {warning}", err=True)


@warehouse.command()
@options.warehouse
@click.option(
    "--keep-days",
    type=options.Number(0, 36_500),
    default=7.0,
    show_default=True,
    help="How far back a lake can still be read as it was.",
)
@click.option("--purge", is_flag=True, help="Also make the bytes of deleted rows vanish now, old snapshots included.")
@click.option("--dry-run", is_flag=True, help="Change nothing, say what there is to do.")
def compact(warehouse: options.Target, keep_days: float, *, purge: bool, dry_run: bool) -> None:
    """Make the warehouse small and quick again: fold small pieces together, delete what nobody reads any more."""
    from warehouse import upkeep

    if purge and dry_run:
        raise click.UsageError("--purge and --dry-run exclude each other; leave --purge out to see what there is to do")
    done = upkeep.purge(warehouse) if purge else upkeep.compact(warehouse, keep_days=keep_days, dry_run=dry_run)
    click.echo(str(done))


@click.command()
@options.warehouse
@_json
def ledger(warehouse: options.Target, as_json: bool) -> None:
    """Show predicted beside measured lift, experiment by experiment, and how well the two agree."""
    import json

    from experiments import ledger as book
    from warehouse import queries

    rows = queries.ledger(warehouse)
    agreed = book.agreement(rows)
    click.echo(json.dumps(_plain(rows, agreed), indent=2, default=str) if as_json else _page(rows, agreed))


def _told(found: Mapping[str, Any]) -> Iterator[str]:
    """What `warehouse.queries.counts` found, line by line."""
    yield f"schema version: {found['schema_version']}"
    yield f"last response served: {moment(found['last_served_at'], 'none yet')}"
    yield f"read: {counted(found['events'], 'event')} in {counted(found['messages'], 'message')}"
    yield ""
    letters = ", ".join(f"{count:,} {reason}" for reason, count in found["dead_letters_by_reason"].items())
    letters += "; `loveloop dead-letters list` shows them" if letters else ""
    since = f"the oldest since {moment(found['waiting_since'])}" if found["waiting"] else ""
    aside = "`loveloop quarantine list` names them" if found["quarantined_users"] else ""
    yield table(
        ["", "rows", ""],
        [
            ["responses", found["responses"], ""],
            ["reactions", found["reactions"], f"of them {found['retractions']:,} take one back"],
            ["requests for erasure", found["erasures"] + found["erasures_by_hand"], _erasures(found)],
            ["duplicates dropped", found["duplicates_dropped"], ""],
            ["of erased users dropped", found["erased"], ""],
            ["dead letters, open", found["dead_letters"], letters],
            ["dead letters, found good since", found["redriven"], ""],
            ["reactions without their response", found["waiting"], since],
            ["reactions by others than the shown user", found["not_shown"], _not_shown(found)],
            ["responses that bear the id of another", found["ids_taken"], _taken(found)],
            [
                "events that lost a field",
                found["mended"],
                "NaN, or half a character: `mended` in `extra` names it" if found["mended"] else "",
            ],
            ["users in quarantine", found["quarantined_users"], aside],
            ["single reactions in quarantine", found["quarantined_reactions"], ""],
        ],
    )
    if found["reactions_by_name"]:
        yield "\n" + _names(found["reactions_by_name"], lost=bool(found["not_shown"] or found["ids_taken_reactions"]))
    if found["flags_by_rule"]:
        yield "\n" + table(["flags, by who raised them and rule", "flags"], list(found["flags_by_rule"].items()))
    if found["positions"]:
        yield "\n" + _positions(found["positions"])


def _not_shown(found: Mapping[str, Any]) -> str:
    loves = found["not_shown_loves"]
    return (
        f"of them {loves:,} loves; they count for nothing: docs/contract.md says whose id to post"
        if found["not_shown"]
        else ""
    )


def _taken(found: Mapping[str, Any]) -> str:
    return f"{found['ids_taken_reactions']:,} reactions to them; none of it counts" if found["ids_taken"] else ""


def _names(by_name: Mapping[str, int], *, lost: bool) -> str:
    """How often each reaction was added, and what it counts as; `lost`: some of them count for nothing."""
    counts = {
        "love": "the positive of P[Love]",
        "like": "helpfulness from reactions",
        "dislike": "helpfulness from reactions",
    }
    rows = [[name, count, counts.get(name, "no: no figure counts this name")] for name, count in by_name.items()]
    page = table(["reaction added", "times", "counts"], rows)
    if lost:
        page += "\nthe reactions that count for nothing, as said above, are among them"
    if by_name.keys() <= counts.keys():
        return page
    return f"{page}\nan import can say what a name means: --map-reaction NAME=love (or like, dislike)"


def _erasures(found: Mapping[str, Any]) -> str:
    pending = found["erasures_pending"]
    return f"{pending:,} not finished: `loveloop erase --pending` finishes them" if pending else ""


def _positions(rows: Sequence[Mapping[str, Any]]) -> str:
    """How far each partition has been read, and what came of its events."""
    fields = ("partition_id", "next_offset", "messages", "events", "duplicates", "dead_letters", "erased")
    heads = ["topic", "partition", "next offset", "messages", "events", "duplicates", "dead letters", "of erased users"]
    return table(heads, [[row["topic"], *(row[field] for field in fields)] for row in rows])


def _page(rows: Sequence[Mapping[str, Any]], agreed: "Agreement") -> str:
    """The ledger as a table; lifts are relative, +10 % is a tenth more loves."""
    if not rows:
        return "no experiment has been read out yet: the ledger is empty"
    heads = ["candidate", "experiment", "day", "predicted lift", "measured lift", "95 % interval", "gates"]
    lines = [
        [
            row["candidate"],
            row["experiment"],
            row.get("date"),
            _lift(row.get("predicted_lift")),
            _lift(row.get("measured_lift")),
            f"{_lift(row.get('measured_low'))} to {_lift(row.get('measured_high'))}",
            f"forced, failed: {', '.join(row['failed'])}" if row.get("failed") else "",
        ]
        for row in rows
    ]
    return "\n".join([table(heads, lines), "", agreed.words, *agreed.details])


def _lift(value: float | None) -> str:
    return "not known" if value is None else f"{value:+.1%}"


def _plain(rows: Sequence[Mapping[str, Any]], agreed: "Agreement") -> dict[str, Any]:
    from assets.report.schema import plain

    return {"experiments": rows, "agreement": plain(agreed.as_dict())}
