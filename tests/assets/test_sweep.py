"""A sweep over the tiny run: what is shared, what is kept when a weight is added, and what the user reads."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets.cli.sweep import sweep
from assets.cycle import cycles
from assets.pipeline import reopen, until_candidate
from assets.report import schema
from assets.run import Run
from assets.stages import candidate


def asked(*words: str) -> Result:
    return CliRunner().invoke(sweep, words)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("0,much", "must be numbers with commas between them"),
        ("0,-0.1", "-0.1 is among them, must be at least 0"),
        ("0,nan", "nan is among them"),
        ("0,inf", "inf is among them"),
        ("0.3,0.30000001", "0.3 stands there more than once"),
    ],
)
def test_weights_that_name_no_policy_are_refused(given: str, words: str) -> None:
    done = asked("--name", "x", "--love-weights", given)
    assert done.exit_code == 2
    assert words in done.output


def test_a_sweep_wants_a_recipe_or_a_run(tmp_path: Path) -> None:
    done = asked("--home", str(tmp_path))
    assert done.exit_code == 2
    assert "--recipe FILE" in done.output
    missing = asked("--home", str(tmp_path), "--name", "none")
    assert isinstance(missing.exception, FileNotFoundError)
    assert "no run in" in str(missing.exception)


@pytest.fixture(scope="module")
def swept(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """The tiny run, which has weights 0 and 0.3, with one weight more; and what was said."""
    home = tmp_path_factory.mktemp("sweep")
    shutil.copytree(tiny_run.directory, home / "tiny", symlinks=True)
    done = CliRunner().invoke(
        sweep, ["--home", str(home), "--name", "tiny", "--love-weights", "0,0.1,0.3"], catch_exceptions=False
    )
    assert done.exit_code == 0
    return reopen(home / "tiny"), done.output


@pytest.mark.slow
@pytest.mark.timeout(900)  # the first test waits for the tiny run
def test_another_weight_trains_that_policy_alone_on_samples_that_are_there(
    tiny_run: Run, swept: tuple[Run, str]
) -> None:
    run, _ = swept
    assert run.cycle is not None
    used = run.cycle.stages()
    assert {name for name, number in used.items() if number > 1} == {
        "policy-0.1",
        "offline_evaluation",
        "candidate",
    }
    for weight in ("0", "0.3"):
        assert run.recorded(f"policy-{weight}") == tiny_run.recorded(f"policy-{weight}")
    drawn, before = ({file.name for file in each.directory.glob("rollouts/*")} for each in (run, tiny_run))
    kinds = sorted(name.partition("-")[0] for name in drawn - before)
    assert kinds == ["rollouts", "scores", "scores", "scores"], "its evaluation; samples, scores and a0 were there"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_unchanged_policy_makes_a_candidate_of_the_same_name_whatever_else_is_swept(
    tiny_run: Run, swept: tuple[Run, str]
) -> None:
    lineages = [candidate._lineage(run, 0.3) for run in (tiny_run, swept[0])]
    assert candidate._digest(lineages[0]) == candidate._digest(lineages[1])
    assert "love_weights" not in lineages[0]["recipe"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_front_is_told_in_the_terminal_the_report_and_the_evaluation(swept: tuple[Run, str]) -> None:
    run, said = swept
    rows = run.recorded("offline_evaluation")["policies"]
    assert [row["policy"] for row in rows] == ["incumbent", "love-0", "love-0.1", "love-0.3"]
    assert any(not row["beaten_by"] for row in rows)
    assert all(0 <= row["front_share"] <= 1 for row in rows)
    staged = run.recorded("candidate")
    assert f"candidate: {staged['name']}, failed " in said
    assert f"chosen because {staged['why']}" in said
    assert said.count("%) ") >= 3, "every policy's lift has its interval"
    assert (run.cycle_directory / "front.png").read_bytes().startswith(b"\x89PNG")
    told = schema.read(run.directory / "report.json")
    assert [each.front_share for each in told.policies] == [row["front_share"] for row in rows[1:]]
    assert told.candidate is not None
    assert told.candidate.why == staged["why"]
    html = (run.directory / "report.html").read_text()
    assert "Pareto front" in html
    assert "Chosen because no policy passed every gate" in html
    assert json.loads((run.directory / "run.json").read_text())["recipe"]["policy"]["love_weights"] == [0, 0.1, 0.3]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_sweep_again_keeps_everything(swept: tuple[Run, str]) -> None:
    run, _ = swept
    done = asked("--home", str(run.directory.parent), "--name", run.directory.name)
    assert done.output.count("kept from") == len(until_candidate(run.recipe))
    assert until_candidate(run.recipe)[-1] == candidate.STAGE
    assert [each.number for each in cycles(run.directory)] == [1, 2]
