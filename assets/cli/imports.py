"""Commands that bring history in: import files, list the imports, take one back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import click

from assets.cli import import_words, options
from assets.cli.tables import moment, table

if TYPE_CHECKING:
    from warehouse.transfer.foreign import Mapped


class _Pair(click.ParamType):
    """`left=right`."""

    name = "pair"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """The two sides."""
        left, equals, right = str(value).partition("=")
        if not left or not equals or not right:
            self.fail(f"{value!r} has no two sides: write FIELD=COLUMN or FIELD=VALUE", param, ctx)
        return left.strip(), right.strip()


class _ImportGroup(click.Group):
    """`loveloop import FILE` beside `loveloop import list` and `loveloop import undo ID`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Whatever does not begin with a command's name is for `files`."""
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["files", *args])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; where there is none, it is a file's."""
        return super().get_command(ctx, cmd_name) or self.commands["files"]


class _NamelessContext(click.Context):
    """Of a command whose name nobody types."""

    @property
    def command_path(self) -> str:
        """What is typed, without a gap where the name would be."""
        return super().command_path.strip()


class _Files(click.Command):
    """The command that is meant where none is named."""

    context_class = _NamelessContext

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """A context without the name that nobody types."""
        return super().make_context(info_name and "", args, parent, **extra)


@click.group("import", cls=_ImportGroup)
def import_() -> None:
    """Store events from files, list what was imported, take an import back."""


@import_.command("files", cls=_Files)
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@options.warehouse
@click.option(
    "--from",
    "product",
    metavar="PRODUCT",
    help="A ready mapping: langfuse, openwebui, openai, lmsys or thumbs-csv; --map and --set add to it.",
)
@click.option(
    "--map",
    "fields",
    type=_Pair(),
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Column of a field: a.b leads into nested ones, a|b takes the first that is there, a+b joins both.",
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
    "reactions",
    multiple=True,
    metavar="VALUE=REACTION",
    help="What a value of `reaction` means: 1=like, -1=dislike, great=love; for numbers also >=4=love.",
)
@click.option(
    "--only",
    type=_Pair(),
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Take only rows in which this column has that value; a|b for several, * for any.",
)
@click.option("--zone", help="Time zone of moments that name none, such as UTC or Europe/Berlin.")
@click.option(
    "--check", "--dry-run", "check", is_flag=True, help="Read all of it and say what would be stored; store nothing."
)
def files_(
    paths: tuple[Path, ...], warehouse: options.Target, *, product: str | None, fields: tuple[tuple[str, str], ...],
    constants: tuple[tuple[str, str], ...], kind: str | None,
    reactions: tuple[str, ...], only: tuple[tuple[str, str], ...], zone: str | None, check: bool,
) -> None:  # fmt: skip
    r"""Store events from FILEs (.jsonl, .ndjson, .json, .csv, .tsv, also .gz, .zst; .parquet), each exactly once.

    Kill it at any moment and run it again: it goes on. Run it twice: it does nothing. Rows of another table become
    events by --from, or by --map, --set and --kind; rows that break the contract become dead letters.

    `loveloop import list` shows what was imported, `loveloop import undo ID` takes it back.

    \b
    Example:
      loveloop import history.parquet
      loveloop import scores.csv --from langfuse --check
      loveloop import hearts.parquet --kind reaction_changed --map user_id=uid \
          --map response_id=message_id --map reacted_at=created --map reaction=emoji \
          --set action=added --set session_id=unknown --zone UTC --check
    """
    from warehouse import uncounted_feedback
    from warehouse.transfer import import_check, importing, ready, value_maps
    from warehouse.transfer.foreign import Columns

    meant = {"reaction": dict(map(value_maps.parse, reactions))} if reactions else {}
    more = Columns(dict(fields), dict(constants), kind, zone, meant, dict(only))
    rules = meant.get("reaction", {})
    columns: Mapped = more if product is None else ready.mapping(product, more)
    if check:
        seen = {path: import_check.check_file(path, columns, warehouse) for path in paths}
        for path, found in seen.items():
            idle = (f"  {line}" for line in import_words.unused(rules, found.told))
            click.echo("\n".join([f"{path}: nothing is stored", *import_words.seen(found), *idle]))
        if any(found.refused for found in seen.values()):
            raise click.exceptions.Exit(1)
        return
    done = importing.import_files(warehouse, paths, columns)
    unused = import_words.unused(rules if done.events else {}, done.told)
    click.echo("\n".join([*import_words.done(done, len(paths)), *unused]))
    taken = (
        None
        if done.ambiguous
        else uncounted_feedback.taken_ids_warning(uncounted_feedback.taken_ids(warehouse, done.topics))
    )
    if taken:
        click.echo(f"warning: {taken}", err=True)
    _tell_of_judged_days(warehouse)


@import_.command("list")
@options.warehouse
def list_(warehouse: options.Target) -> None:
    """Show every import, the newest first, with the ID by which it can be taken back."""
    from warehouse.transfer import past_imports

    found = past_imports.imports(warehouse)
    if not found:
        click.echo("nothing was imported")
        return
    rows = [
        [
            each.id,
            each.file,
            shorten(each.read_as, 60, placeholder=" ..."),
            moment(each.started_at, "before there was this list"),
            each.stored,
            each.duplicates,
            each.dead_letters,
            f"taken back {moment(each.undone_at)}" if each.undone_at else "",
        ]
        for each in found
    ]
    click.echo(table(["ID", "file", "read as", "begun", "stored", "duplicates", "dead letters", ""], rows))


@import_.command()
@click.argument("name", metavar="ID")
@options.warehouse
@options.home
@options.training_sets
def undo(name: str, warehouse: options.Target, *, home: Path, training_sets: tuple[Path, ...]) -> None:
    r"""Take the import ID back: the file's rows leave the warehouse, and its events can be imported again, put right.

    Says what rests on the rows: training sets that hold them, experiments, days that were judged. These are not
    changed. Requests for erasure that the file brought stand.

    \b
    Example:
      loveloop import list
      loveloop import undo 3f9a1c20b7de
    """
    from warehouse.transfer import undo

    done = undo.undo(warehouse, name)
    click.echo("\n".join(import_words.undone(done, _sets_with(done.responses, [home, *training_sets]))))


def _sets_with(responses: set[str], folders: Iterable[Path]) -> dict[Path, int]:
    """Training sets that hold some of these responses, and how many."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from warehouse import erased_sets, training_set

    found: dict[Path, int] = {}
    wanted = pa.array(sorted(responses), pa.string())
    for directory in (each for folder in folders if folder.exists() for each in erased_sets.sets_under(folder)):
        if (directory / training_set.ERASED).exists():
            continue
        held = pq.read_table(directory / training_set.EXAMPLES, columns=["response_id"])["response_id"]
        rows: Any = pc.sum(pc.is_in(held, wanted)).as_py()
        if rows:
            found[directory] = int(rows)
    return found


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
