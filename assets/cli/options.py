"""Options that several commands share, each with the environment variable that sets it."""

from pathlib import Path
from typing import Any

import click

from assets import places

Target = str | Path
"""A DuckDB file's path, or `ducklake:postgres:KEYWORDS;data=FOLDER`."""


class _TargetType(click.Path):
    """A path, unless it names a lake: that passes as it is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A lake's target as text, anything else as a path."""
        return value if str(value).startswith("ducklake:") else super().convert(value, param, ctx)


def folder(_: click.Context, option: click.Parameter, name: str | None) -> str | None:
    """Refuse a run's name that is not the name of one folder: it would lie outside the home, or in another run."""
    if name is not None and (name in ("", ".", "..") or {*name} & {"/", "\\", "\0"}):
        raise click.BadParameter(f"{option.opts[0]} == {name!r}, must be one folder's name in the home, as in 'live'")
    return name


bootstrap = click.option(
    "--bootstrap",
    envvar="KAFKA_BOOTSTRAP",
    default="127.0.0.1:9092",
    show_default=True,
    show_envvar=True,
    help="HOST:PORT of the broker.",
)
warehouse = click.option(
    "--warehouse",
    envvar="LOVELOOP_WAREHOUSE",
    type=_TargetType(path_type=Path, dir_okay=False),
    default=places.WAREHOUSE,
    show_default=True,
    show_envvar=True,
    help="The DuckDB file, or ducklake:postgres:KEYWORDS;data=FOLDER; made on first use.",
)
home = click.option(
    "--home",
    envvar="LOVELOOP_HOME",
    type=click.Path(path_type=Path, file_okay=False),
    default=places.HOME,
    show_default=True,
    show_envvar=True,
    help="The folder in which runs lie.",
)
data = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your data, where the recipe reads some.",
)
name = click.option("--name", callback=folder, help="The run's folder in the home; the recipe's name if left out.")
live_warehouse = click.option(
    "--warehouse",
    envvar="LOVELOOP_WAREHOUSE",
    show_envvar=True,
    help="The live warehouse, for a recipe that reads one; goes before the recipe's. Default: data/warehouse.duckdb.",
)
