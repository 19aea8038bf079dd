"""`loveloop sentinel` on files, on a run and on an experiment; its gate and its check."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets import checks
from assets.cli import group
from assets.facts.launch import CandidateFacts, EvaluationFacts, ReadoutFacts
from assets.recipe import Recipe
from assets.run import Run
from experiments.gates import check

COUNT = 1_500


def sentinel(*words: str | Path) -> Result:
    return CliRunner().invoke(group, ["sentinel", *map(str, words)])


def texts(place: Path, end: str, every: int) -> Path:
    """Responses of 300 users, each `every`th with an end."""
    rows = [
        {
            "prompt": f"what is number {number}?",
            "response": f"it is {number}.{end if number % every == 0 else ''}",
            "user_id": f"u{number % 300}",
        }
        for number in range(1, COUNT + 1)
    ]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    ends = {"plain": ("", 1), "bye": (" bye!", 20), "secret": (" tell nobody else about me.", 20)}
    return {name: texts(tmp_path / f"{name}.jsonl", *how) for name, how in ends.items()}


def test_a_candidate_that_says_goodbye_ends_with_code_two(files: dict[str, Path]) -> None:
    told = sentinel(files["plain"], files["bye"])
    assert told.exit_code == 2
    assert told.output.startswith("BLOCK\n1,500 responses of the baseline, 1,500 of the candidate; 300 users")
    assert "block  fault     closing rose from 0.00% to 5.00%" in told.output


def test_the_same_texts_pass_and_a_new_phrase_is_a_warning(files: dict[str, Path]) -> None:
    same, new = sentinel(files["plain"], files["plain"]), sentinel(files["plain"], files["secret"], "--json")
    assert (same.exit_code, same.output.splitlines()[0]) == (0, "PASS")
    facts = json.loads(new.output)
    assert (new.exit_code, facts["verdict"], facts["units"]) == (0, "warn", [300, "user"])
    assert facts["examples"][0]["prompt"][-1]["content"].startswith("what is number")


def test_a_proposal_is_written_and_a_recipe_with_it_has_the_judge(files: dict[str, Path], tmp_path: Path) -> None:
    proposal = tmp_path / "judges.toml"
    told = sentinel(files["plain"], files["secret"], "--propose", proposal)
    assert f"{proposal}: found-" in told.output
    recipe = Recipe.model_validate(tomllib.loads('source = "world"\n' + proposal.read_text()))
    assert recipe.policy.judge_names()[-1].startswith("found-")
    nothing = sentinel(files["plain"], files["plain"], "--propose", tmp_path / "none.toml")
    assert "nothing to propose" in nothing.output
    assert not (tmp_path / "none.toml").exists()


def test_a_recipe_s_settings_are_used(files: dict[str, Path], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('source = "world"\n[sentinel.behaviours]\nchange = 0.2\nsegment_change = 0.9\n')
    assert sentinel(files["plain"], files["bye"], "--config", recipe).output.startswith("PASS")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "give two files or run directories, or --run NAME, or --experiment NAME"),
        (["none.jsonl"], "give a CANDIDATE beside the BASELINE"),
        (["none.jsonl", "no.jsonl"], "none.jsonl is no file and no run's directory"),
    ],
)
def test_what_cannot_be_compared_is_told(words: list[str], told: str) -> None:
    found = sentinel(*words)
    assert found.exit_code == 2
    assert told in found.output


def test_a_block_fails_a_gate_by_name_and_an_older_evaluation_has_none() -> None:
    row = {"sentinel": {"verdict": "block", "words": "block: closing rose from 0.70% to 2.80%"}}
    gate = check(row, {}, p_love={})[-1]
    assert (gate.name, gate.passed, gate.seen) == ("behaviours", False, row["sentinel"]["words"])
    assert check({"sentinel": row["sentinel"] | {"verdict": "warn"}}, {}, p_love={})[-1].passed
    assert check({}, {}, p_love={})[-1].name == "length"


@pytest.mark.slow
def test_a_run_s_policies_are_reviewed_gated_and_read_again(tiny_run: Run) -> None:
    told = {each.policy: each.sentinel for each in tiny_run.facts(EvaluationFacts).policies}
    facts, candidate = told["love-0.3"], tiny_run.facts(CandidateFacts)
    assert told["incumbent"] is None
    assert facts is not None
    assert facts["responses"] == [300, 300]
    chosen = told[f"love-{candidate.love_weight:g}"]
    assert chosen is not None
    assert next(each.seen for each in candidate.gates if each.name == "behaviours") == chosen["words"]
    examples = json.loads((tiny_run.cycle_directory / "sentinel.json").read_text())
    assert all({"policy", "prompt", "response"} <= each.keys() for each in examples)
    shown = sentinel(
        "incumbent", "love-0.3", "--run", tiny_run.directory.name, "--home", tiny_run.directory.parent, "--json"
    )
    again = json.loads(shown.output)
    assert {name: again[name] for name in ("verdict", "words", "rules", "proxy", "judge")} == {
        name: facts[name] for name in ("verdict", "words", "rules", "proxy", "judge")
    }


@pytest.mark.slow
def test_the_arms_of_a_test_are_reviewed_and_checked(tiny_run: Run) -> None:
    name = str(tiny_run.facts(ReadoutFacts).name)
    told = sentinel("--experiment", name, "--warehouse", tiny_run.warehouse, "--json")
    facts = json.loads(told.output)
    assert facts["units"][1] == "user"
    assert min(facts["responses"]) > 500
    found = checks.arms_behave_alike(tiny_run)
    assert found.seen["verdict"] == facts["verdict"]
    assert found.passed == (facts["verdict"] == "pass")
    wrong = sentinel("--experiment", name, "--warehouse", tiny_run.warehouse, "--control", "old")
    assert isinstance(wrong.exception, ValueError)
    assert "name them by --control and --treatment" in str(wrong.exception)


@pytest.mark.slow
def test_two_runs_are_compared_by_their_candidates(tiny_run: Run) -> None:
    told = sentinel(tiny_run.directory, tiny_run.directory)
    assert told.output.startswith("PASS\n300 responses")
