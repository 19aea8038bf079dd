"""Options that several commands share, each with the environment variable that sets it."""

import math
from pathlib import Path
from typing import Any, Final

import click

from assets import places

Target = str | Path
"""A DuckDB file's path, or `ducklake:postgres:KEYWORDS;data=FOLDER`."""


MOST: Final = 2**31 - 1
"""The largest whole number of an option that has no other limit."""


class Number(click.FloatRange):
    """A finite number within limits. "Not a number" compares with nothing, so that it lies in every plain range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        number = float(click.FLOAT.convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not in the range {self._describe_range()}: must be a finite number", param, ctx)
        return float(super().convert(number, param, ctx))


class Whole(click.IntRange):
    """A whole number within limits, at most `MOST` where nothing else is said: beyond it nobody has counted."""

    def __init__(self, least: int, most: int = MOST) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        number = int(click.INT.convert(value, param, ctx))
        if number > MOST >= (self.max or 0):
            self.fail(f"{number} is too large: must be at most {self.max:,}", param, ctx)
        return int(super().convert(number, param, ctx))

    def _describe_range(self) -> str:  # what `--help` shows: a limit that is nobody's is left out
        return f"x>={self.min}" if self.max == MOST else super()._describe_range()


HOURS: Final = Number(0, 87_600)
"""A wait for late loves; as `warehouse.maturity`, which would bring the warehouse with it."""
SHARE: Final = Number(0, 1, min_open=True, max_open=True)
RATE: Final = Number(0, 1_000, min_open=True)
"""A learning rate."""
PORT: Final = Whole(0, 65_535)
SEED: Final = Whole(0, 2**32 - 1)


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
training_sets = click.option(
    "--training-sets",
    type=click.Path(file_okay=False, path_type=Path),
    multiple=True,
    default=[Path("data/training-sets")],
    show_default="data/training-sets",
    help="A folder in which training sets lie, beside those of runs; may be given several times.",
)
data = click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Your data, where the recipe reads some.",
)
name = click.option("--name", callback=folder, help="The run's folder in the home; the recipe's name if left out.")
tensorboard = click.option(
    "--tensorboard",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write every step's figures into this folder, for `tensorboard --logdir`.",
)
live_warehouse = click.option(
    "--warehouse",
    envvar="LOVELOOP_WAREHOUSE",
    show_envvar=True,
    help="The live warehouse, for a recipe that reads one; goes before the recipe's. Default: data/warehouse.duckdb.",
)
