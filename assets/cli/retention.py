"""Commands about people coming back: train a model of it, and say what an experiment does to it."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from assets.cli import options

_AS_OF = click.option("--as-of", type=click.DateTime(), help="Judge the log at this moment (UTC); now if left out.")
_JSON = click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write figures too.")


@click.group()
def retention() -> None:
    r"""Foretell who comes back after 1, 7 and 14 days, and what an experiment does to that.

    \b
    Example:
      loveloop retention train --base models/chat --out models/retention
      loveloop retention effect tone --model models/retention
    """


@retention.command()
@options.warehouse
@click.option("--base", required=True, help="A frozen encoder: `minilm`, a model's directory or a hub name.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Where the model goes.")
@click.option("--name", default="retention", show_default=True, help="What the model is called in its card.")
@click.option(
    "--rows",
    type=options.Whole(200),
    default=40_000,
    show_default=True,
    help="User-days to learn from, of whole users.",
)
@click.option("--seed", type=options.SEED, default=1, show_default=True, help="Of the users that the test keeps.")
@_AS_OF
@_JSON
def train(
    warehouse: options.Target,
    base: str,
    *,
    out: Path,
    name: str,
    rows: int,
    seed: int,
    as_of: datetime | None,
    json_file: Path | None,
) -> None:
    """Train a retention model: a reward of single responses, survival models, a surrogate index.

    Its directory is a reward model's, with card and manifest: `loveloop models show` reads it, and a recipe's
    [retention] optimises against it beside P[Love]. See docs/retention.md.
    """
    from assets import retention as made
    from assets.cli.train_reward import local_base, typed_command

    report = made.train(
        warehouse,
        out,
        base=local_base(base),
        as_of=_utc(as_of),
        rows=rows,
        seed=seed,
        name=name,
        command=typed_command(sys.argv[1:]),
    )
    click.echo("\n".join(made.accuracy_words(report)))
    _write(json_file, report.as_dict())


@retention.command()
@click.argument("experiment")
@options.warehouse
@click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    required=True,
    help="A retention model's directory.",
)
@click.option("--control", default="control", show_default=True, help="The arm to compare with.")
@_AS_OF
@_JSON
def effect(
    experiment: str,
    warehouse: options.Target,
    model: Path,
    *,
    control: str,
    as_of: datetime | None,
    json_file: Path | None,
) -> None:
    """Foretell what EXPERIMENT's arms do to the return after 14 days, from their users' first week.

    Beside it what was seen, where users' third week is over: that is how the foretelling is judged.
    """
    from assets import retention as made

    found = made.effects(model, warehouse, experiment, control=control, as_of=_utc(as_of))
    click.echo("\n".join(made.effect_words(found)))
    _write(json_file, made.plain(found))


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _write(file: Path | None, figures: object) -> None:
    if file:
        file.write_text(json.dumps(figures, indent=2) + "\n")
