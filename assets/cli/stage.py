"""One stage in a process of its own: what Dagster starts for a stage that trains on ranks or in another environment."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

Report = Callable[[Mapping[str, Any]], object]


@click.command(hidden=True)
@click.option(
    "--run", "directory", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="A run."
)
@click.option("--stage", "name", required=True, help="As its marker is named, in words of `loveloop run`: policy-0.3.")
@click.option("--anew/--stale", default=False, help="Run it whatever its key says, or only where something changed.")
def stage(directory: Path, name: str, *, anew: bool) -> None:
    """Bring one stage of a run up to date, holding the run; under Dagster Pipes what happens is told there."""
    with _reported() as report:
        try:
            report(
                {"performed": _performed(directory, name, report, anew=anew)._asdict(), "newest": _newest(directory)}
            )
        except Exception as error:
            from assets.errors import expected
            from assets.lock import RunHeldError

            said = str(error) if isinstance(error, expected()) else f"{type(error).__name__}: {error}"
            report({"failed": said, "held": isinstance(error, RunHeldError)})
            raise


def _performed(directory: Path, name: str, report: Report, *, anew: bool) -> Any:
    from dataclasses import replace

    from assets.lock import alone
    from assets.pipeline import reopen, stages
    from assets.stage import perform
    from training.progress import Sparsely

    run = reopen(directory)
    every = {each.name: each for each in stages(run.recipe)}
    if name not in every:
        raise ValueError(f"no stage {name} in the recipe of {directory}; its stages are {', '.join(every)}")
    run = replace(run, follow=Sparsely(lambda advance: report({"advance": advance._asdict()})))
    with alone(directory, f"Dagster, stage {name}"):
        done = perform(run, every[name], anew=anew)
    click.echo(f"{name}: {done.recorded['summary']}")
    return done


def _newest(directory: Path) -> int:
    from assets.cycle import cycles

    return cycles(directory)[-1].number


@contextmanager
def _reported() -> Iterator[Report]:
    """Who is told: Dagster, where it started this process by Pipes; else nobody, since the terminal has the bars."""
    import dagster_pipes as pipes

    if pipes.DAGSTER_PIPES_CONTEXT_ENV_VAR not in os.environ:
        yield lambda _: None
        return
    with pipes.open_dagster_pipes() as dagster:
        yield dagster.report_custom_message
