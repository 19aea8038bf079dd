"""The Dagster UI from the command line."""

import os
from pathlib import Path

import click

from assets.cli import options

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@click.command()
@options.home
@click.option(
    "--run", "name", callback=options.folder, help="The run that is shown; the newest one of the home if left out."
)
@click.option(
    "--recipe",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Open the run with this recipe (TOML); needed for a run that does not exist yet.",
)
@click.option("--port", type=options.PORT, default=3000, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--python",
    envvar="LOVELOOP_PYTHON",
    show_envvar=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Python of the environment in which models and policies train; this one if left out.",
)
def ui(home: Path, name: str | None, recipe: Path | None, port: int, python: Path | None) -> None:
    r"""Serve the Dagster UI of one run: its stages as assets, with history, checks, plots, schedules and sensors.

    What `loveloop run` finished is there, and appears while it goes on. Ctrl-C ends it and everything that it started;
    the history stays in the run's folder .dagster.

    \b
    Example:
      loveloop ui
      loveloop ui --run live --recipe deploy/recipes/warehouse.toml --port 3001
    """
    from assets.lock import RunHeldError, alone
    from assets.orchestration import server

    server.check_port(port)
    run = home / (name or _newest(home))
    _must_exist(run, recipe)
    dagster_home = (run / ".dagster").resolve()
    dagster_home.mkdir(parents=True, exist_ok=True)
    (dagster_home / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    told = {"DAGSTER_HOME": str(dagster_home), "LOVELOOP_HOME": str(home.resolve()), "LOVELOOP_RUN": run.name}
    told |= {"LOVELOOP_RECIPE": str(recipe.resolve())} if recipe else {}
    told |= {"LOVELOOP_PYTHON": str(python.absolute())} if python else {}
    kept = {key: value for key, value in os.environ.items() if key != "LOVELOOP_RECIPE"}
    environment = kept | told | {"DAGSTER_DISABLE_TELEMETRY": "yes", "PYTHONWARNINGS": "ignore"}
    try:
        with alone(dagster_home, f"loveloop ui on port {port}"):
            server.serve(port, environment, dagster_home / "logs", say=click.echo)
    except RunHeldError as error:
        raise ValueError(
            f"{str(error).partition(' works in')[0]} serves run {run.name} already; two would disturb each other"
        ) from None


def _newest(home: Path) -> str:
    """The run that was worked in last; `demo` where there is none, which the UI can then make."""
    runs = sorted(home.glob("*/run.json"), key=lambda file: file.stat().st_mtime)
    return runs[-1].parent.name if runs else "demo"


def _must_exist(run: Path, recipe: Path | None) -> None:
    """A run, or a recipe that can be read, before anything starts."""
    from assets.pipeline import read_recipe

    if recipe is not None:
        read_recipe(recipe)
    if recipe is not None or (run / "run.json").exists():
        return
    there = ", ".join(sorted(file.parent.name for file in run.parent.glob("*/run.json"))) or "none"
    raise ValueError(
        f"no run {run.name} in {run.parent} (runs there: {there}); start one with loveloop demo or loveloop run, or "
        "open a new one here with --recipe FILE"
    )
