"""Commands about training sets: freeze one, compare two."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from assets.cli import options

if TYPE_CHECKING:
    from warehouse.label_diff import LabelDiff

_SHOWN = 20


class _BuildByDefault(click.Group):
    """A group whose options alone mean its command `build`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `build` before options that name no command."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["build", *args])


@click.group("training-set", cls=_BuildByDefault)
def training_set() -> None:
    """Freeze clean feedback into a training set (build, the default), or compare two sets (diff)."""


@training_set.command()
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
    type=options.HOURS,
    default=24.0,
    show_default=True,
    help="Younger responses are unlabelled, not negative.",
)
@click.option(
    "--credit",
    type=click.Choice(["last_turn", "conversation", "decay"]),
    default="last_turn",
    show_default=True,
    help="Which turns of a conversation a love speaks for: the loved one; also all earlier ones; those, less and less.",
)
@click.option(
    "--decay",
    type=options.SHARE,
    default=0.5,
    show_default=True,
    help="With --credit decay: what is left of the credit one turn earlier.",
)
@click.option(
    "--positive",
    type=click.Choice(["love", "like"]),
    default="love",
    show_default=True,
    help="What makes a row a positive: a love; or, for products with thumbs alone, a love or a like.",
)
@click.option(
    "--young", is_flag=True, help="Keep responses that are not mature yet, for training alone; see docs/rewards.md."
)
def build(
    warehouse: options.Target,
    out: Path,
    as_of: datetime | None,
    maturity_hours: float,
    *,
    credit: Literal["last_turn", "conversation", "decay"],
    decay: float,
    positive: Literal["love", "like"],
    young: bool,
) -> None:
    """Freeze the clean feedback into an immutable training set: Parquet and a manifest named by their content."""
    from datetime import UTC

    from warehouse import queries, uncounted_feedback
    from warehouse import training_set as sets

    moment = as_of.replace(tzinfo=UTC) if as_of else None
    manifest = sets.build(
        warehouse,
        out,
        as_of=moment,
        maturity_hours=maturity_hours,
        credit=credit,
        decay=decay,
        positive=positive,
        young=young,
    )
    kind = "loves" if positive == "love" else "loves or likes"
    apart = f", {manifest.young:,} rows not mature yet" if young else ""
    click.echo(f"{manifest.rows:,} rows, {manifest.positives:,} {kind}{apart}: {out / manifest.hash[:12]}")
    held = queries.counts(warehouse)
    if taken := uncounted_feedback.taken_ids_warning(held["ids_taken"], held["ids_taken_reactions"]):
        click.echo(f"warning: {taken}", err=True)


@training_set.command()
@options.warehouse
@click.argument("old", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("new", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print every change as JSON.")
def diff(warehouse: options.Target, old: Path, new: Path, as_json: bool) -> None:
    """Show which rows came and went from training set OLD to NEW, which labels flipped, and why.

    Reasons come from the warehouse in which both were frozen: a love that came late, a retraction, a quarantine, an
    erasure.
    """
    import json

    from warehouse import training_set as sets
    from warehouse.label_diff import diff as compare
    from warehouse.label_diff import explain

    manifests = [sets.Manifest.read(each) for each in (old, new)]
    found = explain(compare(*(sets.load(each) for each in (old, new))), warehouse, *manifests)
    click.echo(json.dumps(found.as_dict(), indent=1, default=str) if as_json else _told(found))


def _told(found: "LabelDiff") -> str:
    lines = [f"{found.old:,} rows before, {found.new:,} after, {len(found.changes):,} changes"]
    for kind, reasons in found.counts().items():
        lines += [f"  {kind}: {number:,} ({reason})" for reason, number in reasons.items()]
    if found.changes:
        lines.append(f"\n{'response':24} {'served at':16} {'before':>6} {'after':>6}  reason")
    for change in found.changes[:_SHOWN]:
        before, after = ("-" if each is None else f"{each:.3g}" for each in (change.before, change.after))
        served = f"{change.served_at:%Y-%m-%d %H:%M}"
        lines.append(f"{change.response_id:24.24} {served:16} {before:>6} {after:>6}  {change.kind}: {change.reason}")
    if len(found.changes) > _SHOWN:
        lines.append(f"... and {len(found.changes) - _SHOWN:,} more; --json prints all")
    return "\n".join(lines)
