"""Options that several commands share, each with the environment variable that sets it."""

from pathlib import Path

import click

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
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("data/warehouse.duckdb"),
    show_default=True,
    show_envvar=True,
    help="The DuckDB file; made on first use.",
)
home = click.option(
    "--home",
    envvar="LOVELOOP_HOME",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    show_envvar=True,
    help="The folder in which runs lie.",
)
