"""The blocking checks of what was learnt: what they let pass, and what they stop, in words."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets import learning_checks
from assets.cycle import open_cycle, write_json
from assets.pipeline import read_recipe
from assets.run import Run
from assets.verdict import CheckVerdict
from training.cgpo.report import RoundReport, TaskRound

Judge = Callable[[Run], CheckVerdict]
GOOD = TaskRound(
    task="love", prompts=40, trips={"closing": 0.1, "unfinished": 0.05}, kl_cut=0.1, fallback=3, skipped=2,
    sampled={"love": -2.0}, chosen={"love": -1.5}, calibrated=0.5, log_ratio=0.2,
)  # fmt: skip


def rounds(loss: float = 4.0, steps: int = 5, winners: int = 35, **changed: Any) -> list[dict[str, Any]]:
    """A good round, and a last one that a test changes."""
    first = RoundReport(
        round=1, policy="p", tasks=[GOOD], winners=35, steps=5, loss=4.2, seconds={"collect": 1.0, "learn": 1.0}
    )
    task = GOOD.model_copy(update=changed)
    last = first.model_copy(update={"round": 2, "tasks": [task], "loss": loss, "steps": steps, "winners": winners})
    return [first.model_dump(mode="json"), last.model_dump(mode="json") | {"loss": loss}]


def finished(directory: Path, **facts: dict[str, Any]) -> Run:
    """A run of the tiny recipe in which these stages have finished."""
    cycle = open_cycle(directory, "test", {})
    for stage, found in facts.items():
        marker = {"stage": stage, "key": "k", "parts": {}, "version": "v", "needs": [], "seconds": 1.0}
        content = {**marker, "finished_at": "2026-03-01T00:00:00+00:00", "facts": found}
        write_json(cycle.marker_file(stage.replace("_w", "-")), content)
    return Run(directory, read_recipe(Path(__file__).with_name("tiny.toml")))


def of_policy(directory: Path, told: list[dict[str, Any]]) -> Run:
    """A run whose first policy is good, and whose second one recorded these rounds."""
    return finished(directory, policy_w0={"rounds": rounds()}, **{"policy_w0.3": {"rounds": told}})


@pytest.mark.parametrize(
    "judge",
    [
        learning_checks.figures_are_finite,
        learning_checks.every_round_taught_something,
        learning_checks.judges_let_policies_pass,
        learning_checks.policies_stay_near_the_incumbent,
    ],
)
def test_policies_that_learnt_pass(judge: Judge, tmp_path: Path) -> None:
    found = judge(of_policy(tmp_path, rounds()))
    assert (found.passed, found.warn) == (True, False)


@pytest.mark.parametrize(
    ("judge", "told", "where", "said"),
    [
        (learning_checks.figures_are_finite, rounds(loss=math.nan), "not finite", "love-0.3, round 2: loss"),
        (
            learning_checks.figures_are_finite, rounds(sampled={"love": math.inf}), "not finite",
            "love-0.3, round 2: love sampled love",
        ),
        (learning_checks.every_round_taught_something, rounds(fallback=38), "taught nothing", "love-0.3, round 2"),
        (learning_checks.every_round_taught_something, rounds(steps=0), "taught nothing", "love-0.3, round 2"),
        (learning_checks.every_round_taught_something, rounds(winners=0), "taught nothing", "love-0.3, round 2"),
        (
            learning_checks.judges_let_policies_pass, rounds(trips={"closing": 0.51}), "too many",
            "love-0.3, love: closing 51%",
        ),
        (
            learning_checks.judges_let_policies_pass, rounds(trips={"closing": 0.0, "unfinished": 0.9}), "too many",
            "love-0.3, love: unfinished 90%",
        ),
        (learning_checks.policies_stay_near_the_incumbent, rounds(log_ratio=0.51), "too far", "love-0.3, love"),
        (learning_checks.policies_stay_near_the_incumbent, rounds(kl_cut=0.6), "too far", "love-0.3, love"),
        (learning_checks.policies_stay_near_the_incumbent, rounds(log_ratio=math.nan), "too far", "love-0.3, love"),
    ],
)  # fmt: skip
def test_a_policy_that_must_not_be_used_is_stopped_and_named(
    judge: Judge, told: list[dict[str, Any]], where: str, said: str, tmp_path: Path
) -> None:
    found = judge(of_policy(tmp_path, told))
    assert (found.passed, found.warn, found.seen[where]) == (False, False, said)


def test_no_share_is_taken_of_a_few_samples(tmp_path: Path) -> None:
    told = rounds(trips={"closing": 0.9}, prompts=12)
    assert learning_checks.judges_let_policies_pass(of_policy(tmp_path, told)).passed, "12 prompts x 4 samples are 48"


def test_an_incumbent_that_guesses_blindly_is_stopped_and_one_of_the_recipe_is_taken(tmp_path: Path) -> None:
    fitted = {"base": None, "vocabulary": 500}
    for number, (facts, passed) in enumerate(
        [({**fitted, "loss": 2.0}, True), ({**fitted, "loss": 6.3}, False), ({**fitted, "loss": math.nan}, False),
         ({"base": "models/chat"}, True)]
    ):  # fmt: skip
        run = finished(tmp_path / str(number), incumbent=facts)
        assert learning_checks.incumbent_learnt_the_log(run).passed is passed, facts


def test_an_evaluation_without_a_policy_or_its_figures_is_stopped(tmp_path: Path) -> None:
    def row(name: str, love: float | None = 0.1, length: float = 9.0) -> dict[str, Any]:
        return {"policy": name, "love": love, "length": length}

    good = [row("incumbent"), row("love-0"), row("love-0.3")]
    for number, (rows, said) in enumerate(
        [(good, "none"), (good[:2], "love-0.3"), ([*good[:2], row("love-0.3", None)], "love-0.3"),
         ([*good[:2], row("love-0.3", length=0.0)], "love-0.3")]
    ):  # fmt: skip
        run = finished(tmp_path / str(number), offline_evaluation={"policies": rows})
        found = learning_checks.every_policy_was_measured(run)
        assert (found.seen["not measured"], found.passed) == (said, said == "none")
