"""Commands about reward models on disk: list, show, compare."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.cli.tables import counted, table

if TYPE_CHECKING:
    from stats.estimate import Estimate
    from training.reward.registry import Compared, SavedModel

_json = click.option("--json", "as_json", is_flag=True, help="Write JSON instead, with every figure.")
_MODEL = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def models() -> None:
    """List reward models, show one with its card's figures, compare two."""


@models.command("list")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"))
@_json
@click.pass_context
def list_(ctx: click.Context, folder: Path, *, as_json: bool) -> None:
    """List the reward models below FOLDER (runs/ if left out), by path.

    Exit code 1 where the notes of one cannot be read; the others are listed.
    """
    from training.reward import registry

    broken: list[str] = []
    found = [*registry.find(folder, broken.append)]
    if as_json:
        _write([_listed(each) for each in found])
    elif not found and not broken:
        click.echo(f"no reward model lies below {folder}")
    elif found:
        heads = ["directory", "name", "made", "rows", "AUROC [95 % over users]", "ECE", "audit"]
        rows = [
            [each.directory, each.name, each.made_at, each.rows, each.estimate("auroc"), _small(each), each.audit]
            for each in found
        ]
        click.echo(table(heads, rows))
    for each in broken:
        click.echo(f"left out: {each}", err=True)
    if broken:
        ctx.exit(1)


@models.command()
@click.argument("model", type=_MODEL)
@_json
@click.pass_context
def show(ctx: click.Context, model: Path, *, as_json: bool) -> None:
    """Show what MODEL was made from, how good it is, and whether its files are as they were saved.

    Exit code 1 where a file has changed since.
    """
    from training.reward import registry

    found = registry.read(model)
    try:
        changed, unchecked = registry.changes(model), None
    except FileNotFoundError as error:
        changed, unchecked = [], str(error)
    if as_json:
        _write(_listed(found) | {"facts": found.facts, "changed": changed, "unchecked": unchecked})
    else:
        click.echo("\n".join(_shown(found)))
        files = unchecked or ("; ".join(f"CHANGED: {each}" for each in changed) or "all as they were saved")
        click.echo(f"files        {files}")
    if changed:
        ctx.exit(1)


@models.command()
@click.argument("first", type=_MODEL)
@click.argument("second", type=_MODEL)
@click.option(
    "--on",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows as `train reward` reads them: both models score those that neither was trained on.",
)
@click.option("--fresh", is_flag=True, help="Neither model has seen any row of --on: take all.")
@_json
def compare(first: Path, second: Path, *, on: Path | None, fresh: bool, as_json: bool) -> None:
    """Compare two reward models: the figures of their cards and, with --on, both on the same rows.

    Figures of cards rest on different rows where the models were trained from different data. With --on the same rows
    are scored, and users are drawn anew alike for both: the difference has an interval.
    """
    from training.reward import registry

    if fresh and on is None:
        raise click.UsageError("--fresh says something about the rows of --on; give them, or leave it out")
    one, other = registry.read(first), registry.read(second)
    paired = None
    if on is not None:
        from training.labels.examples import read_feedback

        paired = registry.compare(one, other, read_feedback(on).table, fresh=fresh)
    if as_json:
        same = None if paired is None else paired._asdict()
        _write(
            {"first": _listed(one), "second": _listed(other), "differences": _differences(one, other), "paired": same}
        )
    else:
        click.echo("\n".join(_compared(one, other, paired)))


def _listed(found: "SavedModel") -> dict[str, Any]:
    from training.reward.registry import ON_TEST

    figures: dict[str, Any] = {}
    for name in ON_TEST:
        each = found.estimate(name)
        figures |= {name: each and each.value, f"{name}_ci": each and [*each[1:]]}
    return {
        "directory": str(found.directory),
        "name": found.name,
        "made_at": found.made_at,
        "rows": found.rows,
        "base_rate": found.facts.get("base_rate"),
        "audit": found.audit,
        "lineage": found.facts.get("lineage", {}),
        **figures,
    }


def _shown(found: "SavedModel") -> Iterator[str]:
    facts = found.facts
    yield f"{found.name}, {found.directory}"
    yield f"made         {found.made_at or 'not known: a model of an earlier version'}"
    for key, value in facts.get("lineage", {}).items():
        yield f"{key.replace('_', ' '):12} {value}"
    yield ""
    parts: Mapping[str, int] = facts.get("rows", {})
    positives = facts.get("positives", {})
    yield table(["part", "rows", "positives"], [[name, rows, positives.get(name)] for name, rows in parts.items()])
    yield ""
    yield table(["figure", "value [95 % over users]"], [[name, each] for name, each in _estimates(found)])
    yield ""
    yield f"audit        {found.audit}"
    audit = facts.get("audit")
    for each in audit.get("results", []) if isinstance(audit, dict) else []:
        yield f"  {each['finding']}: {each['state']}: {each['words']}"
    yield f"tested       {facts.get('tested', 'not known')}"


def _compared(one: "SavedModel", other: "SavedModel", paired: "Compared | None") -> Iterator[str]:
    yield table(
        ["", "first", "second", "second - first"],
        [
            ["directory", one.directory, other.directory, ""],
            ["made", one.made_at, other.made_at, ""],
            ["rows", f"{one.rows:,}", f"{other.rows:,}", f"{other.rows - one.rows:+,}"],
            ["audit", one.audit, other.audit, ""],
            *(
                [name, one.estimate(name) or "-", other.estimate(name) or "-", "" if by is None else f"{by:+.4f}"]
                for name, by in _differences(one, other).items()
            ),
        ],
    )
    for key in _apart(one, other):
        first, second = (each.facts.get("lineage", {}).get(key, "-") for each in (one, other))
        yield f"{key}: {first} | {second}"
    if paired is None:
        yield "\neach on its own test rows; --on FILE scores the same rows with both"
        return
    rows = f"{counted(paired.rows, 'row')} with {counted(paired.positives, 'positive')}"
    yield f"\nthe same {rows} of {counted(paired.users, 'user')}, users drawn anew alike for both:"
    yield table(
        ["", "first", "second", "second - first"],
        [
            [name, *(f"{e.value:.4f} [{e.low:.4f}, {e.high:.4f}]" for e in each)]
            for name, each in paired.figures.items()
        ],
    )


def _apart(one: "SavedModel", other: "SavedModel") -> list[str]:
    """What differs in what the two were made from."""
    first, second = (each.facts.get("lineage", {}) for each in (one, other))
    return [key for key in {**first, **second} if first.get(key) != second.get(key)]


def _differences(one: "SavedModel", other: "SavedModel") -> dict[str, float | None]:
    from training.reward.registry import ON_TEST

    found = {name: (one.estimate(name), other.estimate(name)) for name in ON_TEST}
    return {name: b.value - a.value if a and b else None for name, (a, b) in found.items()}


def _estimates(found: "SavedModel") -> Iterator[tuple[str, "Estimate"]]:
    from training.reward.registry import ON_TEST

    for name in ON_TEST:
        each = found.estimate(name)
        if each is not None:
            yield name, each


def _small(found: "SavedModel") -> str:
    each = found.estimate("ece_after")
    return "-" if each is None else f"{each.value:.4f}"


def _write(values: Any) -> None:
    import json

    from assets.report.schema import plain

    click.echo(json.dumps(plain(values), indent=2))
