"""`loveloop evaluate` on policies and reward models as trainings leave them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from assets.run import Run

pytestmark = pytest.mark.slow


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(group, ["evaluate", *map(str, words)])


@pytest.fixture(scope="module")
def places(tiny_run: Run) -> dict[str, Path]:
    """A finished run's incumbent, its policies and its P[Love]."""
    weights = tiny_run.recipe.policy.love_weights
    found = {f"love-{each:g}": tiny_run.place(f"policy-{each:g}") for each in weights}
    return found | {"incumbent": tiny_run.place("incumbent"), "p_love": tiny_run.place("p_love")}


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Sixty prompts of fifteen users."""
    file = tmp_path / "asked.jsonl"
    words = ("good morning", "can you help me?", "thanks, that was nice", "tell me a story")
    rows = [{"prompt": words[place % 4], "user_id": f"user-{place // 4}"} for place in range(60)]
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return file


def test_policies_on_a_file_of_prompts_with_their_users(places: dict[str, Path], asked: Path, tmp_path: Path) -> None:
    name = next(each for each in places if each.startswith("love-"))
    words = [places["incumbent"], f"new={places[name]}", "--prompts", asked, "--love", places["p_love"]]
    words += ["--beside", f"again={places['p_love']}", "--kept", tmp_path / "kept"]
    told = run(*words)
    assert told.exit_code == 0, told.output
    head, base, new, _, foot, _kept = told.output.splitlines()
    assert head.split("  ")[0] == "policy"
    assert "again" in head
    assert base.startswith("incumbent")
    assert "base" in base
    assert new.startswith("new")
    assert (
        foot == "60 prompts, one answer each; 95 % intervals draw 15 users, each with all prompts, all policies alike"
    )
    files = {each: each.stat().st_mtime_ns for each in (tmp_path / "kept").iterdir()}
    found = json.loads(run(*words, "--json").output)
    assert {each: each.stat().st_mtime_ns for each in (tmp_path / "kept").iterdir()} == files  # all was read back
    first, second = found["policies"]
    assert first["love_lift_ci"] == [0, 0]
    assert second["love_lift"] == pytest.approx(second["love"] / first["love"] - 1)
    assert second["love_lift_by_prompt"] == second["love_lift"]
    assert second["love_lift_by_prompt_ci"] != second["love_lift_ci"]
    assert second["others"]["again"] == pytest.approx(second["love"])
    assert {"closing_ci", "unsafe"} <= second["trips"].keys()
    assert {"words", "question", "emoji"} <= second["watched"].keys()


def test_a_run_brings_its_prompts_and_models(tiny_run: Run) -> None:
    home, name = tiny_run.directory.parent, tiny_run.directory.name
    told = run("--run", name, "--home", home, "--json", "--seed", tiny_run.recipe.seed)
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    stage = tiny_run.recorded("offline_evaluation")
    assert [each["policy"] for each in found["policies"]] == [each["policy"] for each in stage["policies"]]
    assert found["intervals"] in stage["intervals"]


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ([], "name at least one POLICY"),
        (["here"], "give the reward model by --love"),
        (["here", "--beside", "love=x"], "none of them love"),
        (["a/same", "b/same"], "two policies are called 'same'"),
    ],
)
def test_what_is_missing_is_said(words: list[str], rule: str) -> None:
    told = run(*words)
    assert told.exit_code == 2
    assert rule in " ".join(told.output.split())


def test_a_reward_model_is_no_policy(places: dict[str, Path], asked: Path, tmp_path: Path) -> None:
    words = (places["incumbent"], places["p_love"], "--prompts", asked, "--love", places["p_love"], "--kept", tmp_path)
    told = run(*words)
    assert isinstance(told.exception, ValueError)
    assert f"{places['p_love']} is a reward model's directory, must be a policy's" in str(told.exception)


def test_prompts_are_asked_for(places: dict[str, Path]) -> None:
    told = run(places["incumbent"], "--love", places["p_love"])
    assert "give prompts by --prompts FILE" in told.output
