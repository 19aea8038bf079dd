"""The whole loop from the command line: demo, run, report."""

from dataclasses import replace
from pathlib import Path

import click

from assets.cli import options

RECIPES = Path(__file__).resolve().parents[2] / "deploy" / "recipes"


@click.command()
@options.home
@click.option(
    "--name", default="demo", show_default=True, callback=options.folder, help="The run's folder in the home."
)
def demo(home: Path, name: str) -> None:
    """Run the whole loop on a synthetic world: events in, an A/B decision and a report out.

    Interrupt it at any moment and run it again: finished stages are kept.
    """
    _follow(RECIPES / "demo.toml", home / name, None)


@click.command("live-demo")
@options.home
@click.option(
    "--name", default="live-demo", show_default=True, callback=options.folder, help="The run's folder in the home."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data/live-demo"),
    show_default=True,
    help="The product's own files: its events, its broker, its warehouse.",
)
def live_demo(home: Path, name: str, folder: Path) -> None:
    """Play a product that goes on in days: two cycles of the loop on its live warehouse, every command shown.

    Only the product's events are simulated. A candidate is staged and served, a user is erased, the experiment is read
    out, and the second cycle learns from what came in since. Interrupt it and run it again: finished steps are kept.
    """
    from assets.live_demo import Play, play

    play(Play(folder=folder, home=home, name=name, say=click.echo))


@click.command()
@click.option(
    "--recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="What to do (TOML)."
)
@options.data
@options.name
@options.live_warehouse
@options.tensorboard
@options.home
def run(
    recipe: Path, *, data: Path | None, name: str | None, warehouse: str | None, tensorboard: Path | None, home: Path
) -> None:
    r"""Run the loop of a recipe, on a synthetic world, on your data, or on a live warehouse.

    Run the same command again: what was interrupted goes on, what is up to date is kept, and new feedback, decisions or
    settings open a new cycle beside the earlier ones. Everything that the recipe needs is looked for first.

    \b
    Example:
      loveloop run --recipe deploy/recipes/warehouse.toml --warehouse data/warehouse.duckdb
      loveloop run --recipe deploy/recipes/convai.toml --data DIR_WITH_DIALOGUES
    """
    _follow(recipe, home / (name or recipe.stem), data, warehouse, tensorboard)


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--cycle", type=options.Whole(1), help="Of which cycle; the newest one if left out.")
def report(directory: Path, cycle: int | None) -> None:
    """Write the report of the run in DIRECTORY again."""
    from assets.pipeline import at_cycle, reopen
    from assets.stages.report import report as write

    run = reopen(directory) if cycle is None else at_cycle(reopen(directory), cycle)
    click.echo(run.directory / write(run).html)


def _follow(
    recipe: Path, directory: Path, data: Path | None, warehouse: str | None = None, tensorboard: Path | None = None
) -> None:
    from assets.pipeline import follow, prepare

    run = prepare(directory, recipe, data, warehouse)
    if tensorboard is None:
        follow(run, say=click.echo)
        return
    from training.curves import Curves

    with Curves(tensorboard) as curves:
        follow(replace(run, follow=curves), say=click.echo)
