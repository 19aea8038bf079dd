"""Commands about lines that broke the contract: list them, show one, judge them again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from assets.cli import options
from streams.events import Reason

if TYPE_CHECKING:
    from warehouse.dead_letters import Letter

REASONS = (*get_args(Reason), "conflicting_copy")
_reason = click.option("--reason", type=click.Choice(REASONS), help="Only letters of this reason.")


@click.group("dead-letters")
def dead_letters() -> None:
    """List lines that broke the contract, show one, or judge them again.

    A letter is named by where its line was read: TOPIC/PARTITION/OFFSET/LINE.
    """


@dead_letters.command("list")
@options.warehouse
@_reason
@click.option("--since", type=click.DateTime(), help="Only letters that were received then (UTC) or later.")
@click.option("--limit", type=options.Whole(0), default=20, show_default=True, help="How many, newest first.")
@click.option("--redriven", is_flag=True, help="Those that were found good since, instead of the open ones.")
def list_(warehouse: options.Target, reason: str | None, since: datetime | None, limit: int, redriven: bool) -> None:
    """Count the open letters by reason, and show the newest."""
    from warehouse import dead_letters as letters

    if reason and redriven:
        raise click.UsageError("those found good are counted by what became of them; leave --reason or --redriven out")
    since = since.replace(tzinfo=UTC) if since else None
    counts = letters.counts(warehouse, since=since, redriven=redriven)
    if not counts:
        return click.echo("no dead letters")
    width = max(map(len, counts))
    for name, count in counts.items():
        click.echo(f"{name:<{width}}  {count:>9,}")
    click.echo()
    shown = letters.newest(warehouse, reason=reason, since=since, redriven=redriven, limit=limit)
    for letter in shown:
        click.echo(_row(letter))
    there = counts.get(reason, 0) if reason else sum(counts.values())
    if len(shown) < there:
        click.echo(f"the newest {len(shown):,} of {there:,} shown; --limit {there} shows all")
    return None


@dead_letters.command()
@options.warehouse
@click.argument("letter_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the line's bytes and nothing else.")
def show(warehouse: options.Target, letter_id: str, raw: bool) -> None:
    """Show the letter ID: reason, detail, coordinates and its line."""
    from warehouse import dead_letters as letters

    for letter in letters.find(warehouse, letters.parse_id(letter_id)):
        if raw:
            click.get_binary_stream("stdout").write(letter.body + b"\n")
        else:
            click.echo(_page(letter))


@dead_letters.command()
@options.warehouse
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@_reason
@click.option("--all", "all_", is_flag=True, help="Every open letter.")
@click.option(
    "--with",
    "correction",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the corrected line of the one ID; the original is kept beside it.",
)
@click.option(
    "--set",
    "values",
    metavar="FIELD=VALUE",
    multiple=True,
    help="Fill a field in where a letter lacks it (null, NaN, not there); may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen; store nothing.")
def redrive(
    warehouse: options.Target, letter_ids: tuple[str, ...], *, reason: str | None, all_: bool, correction: Path | None,
    values: tuple[str, ...], dry_run: bool,
) -> None:  # fmt: skip
    r"""Judge open letters again by the present contract: those with ID, those of a reason, or all.

    What is found good is stored as ingest would have stored it; what is not stays. Doing it twice changes nothing.

    \b
    Example:
      loveloop dead-letters redrive --reason unknown_version --dry-run
      loveloop dead-letters redrive loveloop.events/0/4711/12 --with corrected.json
      loveloop dead-letters redrive --reason not_a_number --set turn=0
    """
    from warehouse import dead_letters as letters
    from warehouse import redrive as again

    if bool(letter_ids) + bool(reason) + all_ != 1:
        raise click.UsageError("say which: one or more ID, or --reason, or --all")
    done = again.redrive(
        warehouse,
        only=[letters.parse_id(each) for each in letter_ids] or None,
        reason=reason,
        corrected=correction.read_bytes() if correction else None,
        values=_filling(values),
        dry_run=dry_run,
    )
    click.echo(f"{done.judged:,} open letters judged{', nothing stored (dry run)' if dry_run else ''}")
    for name, count in (*done.outcomes.items(), *((f"still {name}", n) for name, n in done.failing.items())):
        click.echo(f"  {name}: {count:,}")


def _filling(pairs: tuple[str, ...]) -> dict[str, str | int]:
    """Fields to fill in, with values of their type."""
    found: dict[str, str | int] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals or not value:
            raise click.UsageError(f"--set {pair!r} has no two sides: write FIELD=VALUE")
        whole = name in ("turn", "dwell_ms", "schema_version") and value.isdecimal()
        found[name] = int(value) if whole else value
    return found


def _row(letter: Letter) -> str:
    state = letter.outcome or letter.reason
    return f"{letter.id}  {letter.received_at:%Y-%m-%d %H:%M:%S}  {state}: {_cut(letter.detail)}"


def _page(letter: Letter) -> str:
    state = f"{letter.outcome}, re-driven {letter.redriven_at:%Y-%m-%d %H:%M:%S} UTC" if letter.outcome else "open"
    lines = {
        "letter": letter.id,
        "received": f"{letter.received_at:%Y-%m-%d %H:%M:%S.%f} UTC",
        "reason": letter.reason,
        "detail": letter.detail,
        "user": letter.user_id,
        "state": state,
    }
    text = "\n".join(f"{name + ':':<10}{value}" for name, value in lines.items() if value is not None)
    corrected = f"\n\ncorrected line:\n{_pretty(letter.corrected)}" if letter.corrected is not None else ""
    return f"{text}\n\n{len(letter.body):,} bytes:\n{_pretty(letter.body)}{corrected}\n"


def _pretty(line: bytes) -> str:
    """JSON on several lines; anything else as far as it is text."""
    import json

    try:
        return json.dumps(json.loads(line), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = line.decode(errors="backslashreplace")
        return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)  # nothing steers the terminal


def _cut(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."
