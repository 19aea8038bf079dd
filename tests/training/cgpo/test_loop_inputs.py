"""What a loop is given: prompts that leak or do not fit, rewards and judges that break, a weight of 0."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from training.cgpo.candidates import prompt_room
from training.cgpo.config import CgpoConfig
from training.cgpo.loop import optimise
from training.cgpo.tasks import Task
from training.judges import CONDITIONAL_CLOSING
from training.judges.verdict import PASS, Judge, Verdict
from training.policy.load import load_policy
from training.rollout.generator import Sample, TransformersGenerator

Prompts = list[list[dict[str, str]]]
SMALL = CgpoConfig(rounds=2, prompts=8, samples=3, max_new_tokens=16, batch=8, lr=3e-3)
JUDGES: dict[str, Judge] = {"closing": CONDITIONAL_CLOSING}


class Rule:
    """Rewards answers that hold a phrase; NaN for those that hold another."""

    def __init__(self, phrase: str, broken: str = "no such word") -> None:
        self.phrase, self.broken = phrase, broken

    def logits(self, _: list, responses: list) -> np.ndarray:
        return np.array([np.nan if self.broken in text else 3.0 * (self.phrase in text) for text in responses])


def task(
    name: str, prompts: Prompts, weight: float = 1.0, *, phrase: str = "happy", broken: str = "no such word"
) -> Task:
    return Task(name, prompts, Rule(phrase, broken), weight, reward_version=phrase)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Prompts, int]]:
    """What generators are asked for, and are: version, prompts and the length that they read."""
    seen: list[tuple[str, Prompts, int]] = []
    sample = TransformersGenerator.sample

    def noted(self: TransformersGenerator, asked: Prompts, **how: object) -> list[list[Sample]]:
        seen.append((self.version, [*asked], how["longest"]))  # type: ignore[arg-type]
        return sample(self, asked, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(TransformersGenerator, "sample", noted)
    return seen


def numbered(asked: Prompts) -> Prompts:
    """Prompts of which no two are equal."""
    return [[*each, {"role": "assistant", "content": str(at)}, *each] for at, each in enumerate(asked)]


def test_rounds_take_new_prompts_and_a0_is_drawn_once(
    policy: Path, asked: Prompts, tmp_path: Path, drawn: list[tuple[str, Prompts, int]]
) -> None:
    prompts = numbered(asked)
    optimise(policy, tmp_path / "love", tasks=[task("love", prompts)], judges=JUDGES, config=SMALL)
    versions, taken, lengths = zip(*drawn, strict=True)
    assert [each.split("@")[0] for each in versions] == ["tiny", "tiny", "love-r1"]
    assert [*taken] == [prompts[:8], prompts[:16], prompts[8:16]]
    assert {*lengths} == {560 - 16}


def test_a_weight_of_nought_is_a_matched_control(
    policy: Path, asked: Prompts, tmp_path: Path, drawn: list[tuple[str, Prompts, int]]
) -> None:
    reports = []
    for weight in (0.3, 0.0):
        tasks = [task("helpfulness", asked, 0.7, phrase="mice"), task("love", asked[::-1], weight)]
        reports.append(optimise(policy, tmp_path / f"love-{weight:g}", tasks=tasks, judges={}, config=SMALL))
    half = len(drawn) // 2
    assert [each[1:] for each in drawn[:half]] == [each[1:] for each in drawn[half:]]
    first, control = ([[each.winners, each.steps, len(each.tasks)] for each in report.rounds] for report in reports)
    assert first == control
    assert [[*each.chosen] for each in reports[1].rounds[0].tasks] == [["helpfulness"], ["helpfulness"]]
    assert reports[0].gradient == pytest.approx({"helpfulness": 0.5, "love": 0.5})
    assert reports[1].gradient == pytest.approx({"helpfulness": 0.35, "love": 0.35})


def test_a_weight_of_nought_has_its_steps_where_weights_are_the_gradients_alone(
    policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    config = SMALL.model_copy(update={"weights": "per_task", "rounds": 1, "batch": 4})
    tasks = [task("helpfulness", asked, 1.0, phrase="mice"), task("love", asked[::-1], 0.0)]
    report = optimise(policy, tmp_path / "love", tasks=tasks, judges={}, config=config)
    assert (report.rounds[0].winners, report.rounds[0].steps) == (16 - report.rounds[0].tasks[1].skipped, 4)
    assert [[*each.chosen] for each in report.rounds[0].tasks] == [["helpfulness"], ["love"]]


def test_a_leaking_prompt_is_dropped_and_counted(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    prompts = numbered(asked)
    tasks = [task("helpfulness", prompts[:10], phrase="mice"), task("love", prompts[8:])]
    report = optimise(policy, tmp_path / "love", tasks=tasks, judges={}, config=SMALL, held_out=prompts[3:5])
    assert report.leaks == {"helpfulness": {"evaluation": 2}, "love": {"helpfulness": 2}}
    assert [each.tasks[0].prompts for each in report.rounds] == [4, 4]


@pytest.mark.slow
def test_prompts_longer_than_the_context_lose_their_oldest_tokens_and_are_counted(
    policy: Path, asked: Prompts, tmp_path: Path, drawn: list[tuple[str, Prompts, int]]
) -> None:
    endless = [[{"role": "user", "content": "what does the fox eat? " * 1200}, *each] for each in asked[:2]]
    config = SMALL.model_copy(update={"longest": 100_000, "rounds": 1, "samples": 2})
    tasks = [task("love", [*asked[:2], *endless])]
    report = optimise(policy, tmp_path / "love", tasks=tasks, judges=JUDGES, config=config)
    assert report.rounds[0].tasks[0].shortened == 2
    assert {length for _, _, length in drawn} == {4096 - 16}
    short = SMALL.model_copy(update={"longest": 24, "rounds": 1})
    report = optimise(policy, tmp_path / "short", tasks=tasks, judges=JUDGES, config=short)
    assert report.rounds[0].tasks[0].shortened == 4
    assert report.rounds[0].tasks[0].log_ratio == pytest.approx(0, abs=1e-4)  # drawn and scored on the same prompt


def test_a_response_that_leaves_no_room_for_a_prompt_is_refused(policy: Path) -> None:
    with pytest.raises(ValueError, match="max_new_tokens == 5000 leaves no room for a prompt: longest == 9000, the"):
        prompt_room(load_policy(policy).model, CgpoConfig(max_new_tokens=5000, longest=9000))


def test_a_reward_that_is_not_a_number_is_told_with_the_response_and_the_run_goes_on_later(
    policy: Path, asked: Prompts, tmp_path: Path, drawn: list[tuple[str, Prompts, int]]
) -> None:
    tasks = [task("love", asked, broken="salmon")]
    with pytest.raises(
        ValueError, match=r"reward of task love is nan for \d+ of 24 responses.*salmon.*to conversation 2"
    ):
        optimise(policy, tmp_path / "love", tasks=tasks, judges=JUDGES, config=SMALL)
    before = len(drawn)
    report = optimise(policy, tmp_path / "love", tasks=[task("love", asked)], judges=JUDGES, config=SMALL)
    assert len(report.rounds) == 2
    assert len(drawn) == before + 1  # the first round's samples were kept


def test_a_round_without_a_prompt_is_refused(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="round 1 has no prompt of any task; give the tasks more prompts, or take fewer"
    ):
        optimise(policy, tmp_path / "love", tasks=[task("love", asked[:1])], judges=JUDGES, config=SMALL)


def test_a_logged_text_that_violates_is_not_taught(policy: Path, asked: Prompts, log: pa.Table, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"rounds": 1})
    closed = sum(" bye" in text for text in log["response"].to_pylist())
    how = {"tasks": [task("love", asked)], "judges": JUDGES, "config": config}
    report = optimise(policy, tmp_path / "love", **how, supervised=log)
    assert report.supervised == {"texts": len(log) - closed, "violating": closed}
    assert 0 < closed < len(log)


def fragile(_: list, response: str) -> Verdict:
    if "nectar" in response:
        raise KeyError("nectar")
    return PASS


def test_a_judge_that_raises_is_told_and_samples_and_scores_are_kept(
    policy: Path, asked: Prompts, tmp_path: Path, drawn: list[tuple[str, Prompts, int]]
) -> None:
    tasks = [task("love", asked)]
    said = r"judge 'fragile' raised KeyError \('nectar'\) in task love, round 1, at the response '.*nectar"
    with pytest.raises(ValueError, match=said):
        optimise(policy, tmp_path / "love", tasks=tasks, judges={"fragile": fragile}, config=SMALL)
    before = len(drawn)
    optimise(policy, tmp_path / "love", tasks=tasks, judges=JUDGES, config=SMALL)
    assert len(drawn) == before + 1


@pytest.mark.parametrize("optimiser", ["crraft", "crpg"])
def test_a_single_sample_a_prompt_is_enough(policy: Path, asked: Prompts, tmp_path: Path, optimiser: str) -> None:
    config = SMALL.model_copy(update={"samples": 1, "optimiser": optimiser})
    report = optimise(policy, tmp_path / "love", tasks=[task("love", asked)], judges=JUDGES, config=config)
    assert [each.winners + (each.tasks[0].skipped if optimiser == "crraft" else 0) for each in report.rounds] == [8, 8]


@pytest.mark.parametrize("optimiser", ["crraft", "crpg", "codpo"])
def test_a_task_without_a_satisfied_sample_is_skipped_and_counted(
    policy: Path, asked: Prompts, tmp_path: Path, optimiser: str
) -> None:
    def only_owls(conversation: Sequence[dict[str, str]], _: str) -> Verdict:
        return Verdict("owl" not in conversation[0]["content"], "no owl")

    owls, foxes = ([each for each in asked if animal in each[0]["content"]] for animal in ("owl", "fox"))
    config = SMALL.model_copy(update={"optimiser": optimiser})
    tasks = [task("helpfulness", owls * 2), task("love", foxes * 2)]
    report = optimise(policy, tmp_path / "love", tasks=tasks, judges={"owls": only_owls}, config=config)
    for each in report.rounds:
        assert each.tasks[1].skipped == each.tasks[1].prompts == 8
        assert each.tasks[1].trips["owls"] == 1
        assert each.steps > 0
        assert np.isfinite(each.loss)


def test_a_changed_judge_or_reward_is_not_taken_for_the_old_one(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    config = SMALL.model_copy(update={"rounds": 1})
    first = optimise(policy, tmp_path / "love", tasks=[task("love", asked)], judges={"one": fragile_not}, config=config)
    same = optimise(policy, tmp_path / "love", tasks=[task("love", asked)], judges={"one": fragile_not}, config=config)
    judged = {"one": CONDITIONAL_CLOSING}
    other = optimise(policy, tmp_path / "love", tasks=[task("love", asked)], judges=judged, config=config)
    retrained = [task("love", asked, phrase="eats")]
    third = optimise(policy, tmp_path / "love", tasks=retrained, judges=judged, config=config)
    assert first == same
    assert len({first.key, other.key, third.key}) == 3


def fragile_not(_: list, response: str) -> Verdict:
    return Verdict("bye" in response)


def test_it_is_learnt_the_same_way_twice(policy: Path, asked: Prompts, log: pa.Table, tmp_path: Path) -> None:
    for name in ("one", "two"):
        out = tmp_path / name / "love"
        optimise(policy, out, tasks=[task("love", asked)], judges=JUDGES, config=SMALL, supervised=log)
    both = [load_policy(tmp_path / name / "love").model.parameters() for name in ("one", "two")]
    assert all(torch.equal(*pair) for pair in zip(*both, strict=True))
