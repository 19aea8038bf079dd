"""Commands beside an experiment's reading: A/A tests of its tests, scores of what its arms answered."""

import json
from pathlib import Path
from typing import Any

import click

from assets.cli import options

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.command()
@options.warehouse
@click.option("--days", type=options.Whole(1, 3650), default=28, show_default=True, help="Of all traffic.")
@click.option("--deals", type=options.Whole(20, 100_000), default=500, show_default=True, help="How often.")
@click.option("--share", type=options.SHARE, default=0.5, show_default=True, help="Of the users, for the treatment.")
@_as_json
def placebo(warehouse: options.Target, *, days: int, deals: int, share: float, as_json: bool) -> None:
    r"""Deal your own users anew many times and count false alarms: an A/A test of the tests.

    \b
    Example:
      loveloop experiment placebo --days 14
    """
    from assets.experiment import placebos

    found = placebos.placebos(warehouse, days=days, deals=deals, share=share)
    _print(found, placebos.page(found), as_json=as_json)


@click.command()
@click.argument("name")
@options.warehouse
@click.option(
    "--model",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A saved reward model, as a run leaves it: the mean of its probability over a user's responses.",
)
@click.option("--judge", help="A judge that needs no settings (unsafe, closing, ...): the share that it objects to.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The metric file (CSV); scores are kept beside it, so that what was interrupted goes on.",
)
@_as_json
def score(
    name: str, warehouse: options.Target, *, model: Path | None, judge: str | None, out: Path, as_json: bool
) -> None:
    r"""Score what an experiment's arms answered, by a model or a judge, into a metric file for `read --metric`.

    Responses that are scored are not scored again: run it again for what has come since, or after an interruption.

    \b
    Example:
      loveloop experiment score warmer --judge unsafe --out unsafe.csv
      loveloop experiment score warmer --model runs/live/cycles/0001/models/p-love --out p-love.csv
    """
    from assets.experiment import scoring

    if (model is None) == (judge is None):
        raise click.UsageError("say who scores: --model DIRECTORY or --judge NAME, one of them")
    scorer = scoring.by_judge(judge) if judge is not None else scoring.by_model(Path(str(model)))
    made = scoring.score(warehouse, name, scorer, out)
    _print(made._asdict(), scoring.page(made, name), as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.warehouse
@click.option("--days", type=options.Whole(1, 3650), default=28, show_default=True, help="Of all traffic.")
@click.option("--experiment", "name", help="Look at the users of this one instead, and at what it shows.")
@_as_json
def friends(file: Path, warehouse: options.Target, *, days: int, name: str | None, as_json: bool) -> None:
    r"""Divide users into communities of friends: what a test by community costs; whether friends sway each other.

    FILE holds user_id and friend_id (CSV, NDJSON, Parquet). Nothing is decided by it.

    \b
    Example:
      loveloop experiment friends friendships.csv
      loveloop experiment friends friendships.csv --experiment warmer
    """
    from assets.experiment import friends as of_friends

    found = of_friends.friends(warehouse, file, days=days, name=name)
    _print(found, of_friends.page(found), as_json=as_json)


COMMANDS = (placebo, score, friends)


def _print(value: Any, page: Any, *, as_json: bool) -> None:
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False) if as_json else "\n".join(page))
