"""What changed between two policies' texts: from files, from a run, or from the arms of a live test."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.cli import options

if TYPE_CHECKING:
    from assets.run import Run
    from training.behaviours.corpus import Corpus
    from training.sentinel.config import SentinelConfig
    from training.sentinel.report import SentinelReport

BLOCKED = 2
"""Exit code of a candidate that the sentinel blocks."""


@click.command()
@click.argument("baseline", required=False)
@click.argument("candidate", required=False)
@click.option(
    "--run", "run_name", callback=options.folder, help="A run in --home: BASELINE and CANDIDATE name policies."
)
@click.option("--experiment", help="An experiment in the warehouse: its arms are compared, by user.")
@click.option("--control", default="control", show_default=True, help="The experiment's arm to compare with.")
@click.option("--treatment", help="The other arm, where there are several.")
@click.option("--most", type=options.Whole(100), default=20_000, show_default=True, help="Responses of an arm to read.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A recipe whose [sentinel] is used; a run's own, or the defaults, if left out.",
)
@click.option(
    "--propose",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write judges of what was found, with examples; appended to a recipe they are accepted.",
)
@options.warehouse
@options.home
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead, with every finding and its examples.")
def sentinel(
    *,
    baseline: str | None,
    candidate: str | None,
    run_name: str | None,
    experiment: str | None,
    control: str,
    treatment: str | None,
    most: int,
    config_file: Path | None,
    propose: Path | None,
    warehouse: options.Target,
    home: Path,
    as_json: bool,
) -> None:
    r"""Say what CANDIDATE's responses do that BASELINE's do not, and whether that passes, warns or blocks.

    Known behaviours (closing, flattery, refusal, question, emoji, list, length), phrases and clusters of sentences are
    compared by user or by prompt, with false discoveries bounded; what changed by less than matters is not told. Both
    are files (Parquet, CSV or NDJSON) with conversation (or prompt) and response, and user_id, weight, segment, proxy
    and judge where they are known; a run's directory stands for its candidate's answers. With --run they name policies
    of its last evaluation; left out, the incumbent and the candidate. Ends with exit code 2 where it blocks.

    \b
    Example:
      loveloop sentinel old.jsonl new.jsonl
      loveloop sentinel --run demo --propose judges.toml
      loveloop sentinel --experiment tone
    """
    ways = [
        baseline is not None and run_name is None and experiment is None,
        run_name is not None,
        experiment is not None,
    ]
    if sum(ways) != 1:
        raise click.UsageError("give two files or run directories, or --run NAME, or --experiment NAME")
    config = _config(config_file, home / run_name if run_name else None)
    if experiment is not None:
        from assets.stages.sentinel import review_arms

        report = review_arms(warehouse, experiment, control, treatment, config, most=most)
    elif run_name is not None:
        report = _of_run(home / run_name, baseline, candidate, config)
    else:
        report = _of_texts(str(baseline), candidate, config)
    _say(report, as_json=as_json)
    if propose is not None:
        _propose(report, propose)
    if report.verdict == "block":
        raise click.exceptions.Exit(BLOCKED)


def _config(file: Path | None, run: Path | None) -> "SentinelConfig":
    from assets.pipeline import read_recipe, reopen
    from training.sentinel.config import SentinelConfig

    if file is not None:
        return read_recipe(file).sentinel
    return reopen(run).recipe.sentinel if run is not None else SentinelConfig()


def _of_texts(baseline: str, candidate: str | None, config: "SentinelConfig") -> "SentinelReport":
    from training.sentinel.review import review

    if candidate is None:
        raise click.UsageError("give a CANDIDATE beside the BASELINE")
    return review(_texts(baseline), _texts(candidate), config)


def _texts(place: str) -> "Corpus":
    """A file's texts; of a run's directory the answers of its candidate in the last evaluation."""
    from assets.pipeline import reopen
    from training.behaviours.corpus import Corpus
    from training.sentinel.text_file import read_texts

    if Path(place).is_dir():
        run = reopen(Path(place))
        policy = _candidate(run)
        rows: list[dict[str, Any]] = json.loads((run.cycle_directory / "answers.json").read_text())
        return Corpus([row["prompt"] for row in rows], [row[policy] for row in rows])
    if not Path(place).is_file():
        raise click.UsageError(f"{place} is no file and no run's directory; policies of a run are named with --run")
    return read_texts(Path(place))


def _of_run(place: Path, baseline: str | None, candidate: str | None, config: "SentinelConfig") -> "SentinelReport":
    """Two policies of a run's last evaluation, with users and rewards; what the run kept is read back."""
    from assets.pipeline import reopen
    from assets.stages import evaluation, prompts
    from assets.stages.sentinel import reviews

    run = reopen(place)
    drawn = prompts.held_out(run)
    found = evaluation.answered(run, drawn)
    names = baseline or "incumbent", candidate or _candidate(run)
    for name in names:
        if name not in found.answers:
            raise click.UsageError(f"{name!r} is no policy of {place}: there are {', '.join(found.answers)}")
    two = dataclasses.replace(found, answers={name: found.answers[name] for name in names})
    return reviews(two, drawn, config, base=names[0])[names[1]]


def _candidate(run: "Run") -> str:
    """The policy that a run's candidate is."""
    from assets.facts.launch import CandidateFacts

    return f"love-{run.facts(CandidateFacts).love_weight:g}"


def _say(report: "SentinelReport", *, as_json: bool) -> None:
    from training.sentinel.page import page

    if as_json:
        told = report.facts() | {"examples": report.examples()}
        click.echo(json.dumps(told, indent=2, ensure_ascii=False, default=float))
    else:
        click.echo("\n".join(page(report)))


def _propose(report: "SentinelReport", file: Path) -> None:
    from streams.whole_file import whole
    from training.sentinel.proposal import proposals, toml

    several = proposals(report)
    if not several:
        click.echo("nothing to propose: nothing grew that a judge of the library or a phrase names", err=True)
        return
    with whole(file) as part:
        part.write_text(toml(report, several))
    click.echo(
        f"{file}: {', '.join(each.name for each in several)}; read it before you append it to a recipe", err=True
    )
