"""What each optimiser teaches a real, tiny policy: it learns, and what violates gets rarer than it was."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from training.cgpo.config import CgpoConfig, TaskConfig
from training.cgpo.loop import optimise
from training.cgpo.report import PolicyReport
from training.cgpo.tasks import Task
from training.evaluation.offline import answer
from training.judges.verdict import PASS, Verdict

Prompts = list[list[dict[str, str]]]
SMALL = CgpoConfig(rounds=1, prompts=32, samples=8, max_new_tokens=16, batch=16, lr=3e-3, pairs=False)


class Happy:
    """Rewards answers that are happy to help."""

    def logits(self, _: list, responses: list) -> np.ndarray:
        return np.array([3.0 * ("happy" in text) for text in responses])


def no_bye(_: list, response: str) -> Verdict:
    """Objects to a goodbye, and cuts it off."""
    place = response.find(" bye")
    return Verdict(True, "bye", (place, len(response)), response[:place]) if place >= 0 else PASS


def taught(policy: Path, out: Path, asked: Prompts, log: pa.Table, **how: object) -> PolicyReport:
    tasks = [Task("love", asked, Happy(), 1.0, reward_version="happy")]
    config = SMALL.model_copy(update=how)
    return optimise(policy, out, tasks=tasks, judges={"bye": no_bye}, config=config, supervised=log)


def rates(place: Path, asked: Prompts) -> dict[str, float]:
    said = answer(place, asked * 8, seed=99, max_new_tokens=16)
    return {word: float(np.mean([word in text for text in said])) for word in ("happy", "bye", "eats")}


@pytest.fixture(scope="module")
def before(policy: Path, asked: Prompts) -> dict[str, float]:
    found = rates(policy, asked)
    assert 0.1 < found["bye"] < 0.5
    assert 0.2 < found["happy"] < 0.5
    return found


@pytest.mark.slow
def test_crraft_learns_the_reward(
    policy: Path, asked: Prompts, log: pa.Table, before: dict[str, float], tmp_path: Path
) -> None:
    report = taught(policy, tmp_path / "love", asked, log)
    after = rates(tmp_path / "love", asked)
    assert after["happy"] > before["happy"] + 0.15
    assert report.rounds[0].winners == 32 - report.rounds[0].tasks[0].skipped
    assert report.rounds[0].pairs == 0


@pytest.mark.slow
def test_crpg_learns_the_reward_and_pushes_a_violation_below_its_base_rate(
    policy: Path, asked: Prompts, log: pa.Table, before: dict[str, float], tmp_path: Path
) -> None:
    report = taught(policy, tmp_path / "love", asked, log, optimiser="crpg", rounds=2, prompts=16, lr=1e-3)
    after = rates(tmp_path / "love", asked)
    assert after["bye"] < before["bye"] * 0.6
    assert after["happy"] > before["happy"] + 0.1
    assert after["eats"] > before["eats"] - 0.1
    assert report.rounds[0].winners == 16 * 8


@pytest.mark.slow
def test_codpo_learns_the_reward_and_pushes_a_violation_below_its_base_rate(
    policy: Path, asked: Prompts, log: pa.Table, before: dict[str, float], tmp_path: Path
) -> None:
    report = taught(policy, tmp_path / "love", asked, log, optimiser="codpo", codpo_beta=1.0)
    after = rates(tmp_path / "love", asked)
    assert after["bye"] < before["bye"] * 0.75
    assert after["happy"] > before["happy"]
    assert after["eats"] > before["eats"] - 0.1
    assert (report.rounds[0].winners, report.rounds[0].pairs) == (0, 32 - report.rounds[0].tasks[0].skipped)
    assert report.rounds[0].pair_loss < np.log(2)


@pytest.mark.slow
def test_minimal_pairs_cut_a_fault_that_filtering_leaves(
    policy: Path, asked: Prompts, log: pa.Table, before: dict[str, float], tmp_path: Path
) -> None:
    taught(policy, tmp_path / "filtered", asked, log)
    report = taught(policy, tmp_path / "paired", asked, log, pairs=True)
    filtered, paired = rates(tmp_path / "filtered", asked), rates(tmp_path / "paired", asked)
    assert paired["bye"] < 0.7 * filtered["bye"]
    assert paired["bye"] < 0.5 * before["bye"]
    assert paired["happy"] > before["happy"] + 0.1
    assert paired["eats"] > before["eats"] - 0.1
    first = report.rounds[0].tasks[0]
    assert first.violating >= first.repaired >= first.pairs == report.rounds[0].pairs > 20
    assert report.rounds[0].pair_loss < np.log(2)


def test_a_repair_that_another_judge_refuses_is_not_learnt(
    policy: Path, asked: Prompts, log: pa.Table, tmp_path: Path
) -> None:
    tasks = [Task("love", asked, Happy(), 1.0, reward_version="happy")]
    judges = {"bye": no_bye, "owl": lambda _, response: Verdict("owl" in response and "bye" not in response)}
    config = SMALL.model_copy(update={"pairs": True})
    first = optimise(policy, tmp_path / "love", tasks=tasks, judges=judges, config=config).rounds[0].tasks[0]
    assert 0 < first.pairs <= first.repaired < first.violating


def test_each_task_has_its_own_settings(policy: Path, asked: Prompts, log: pa.Table, tmp_path: Path) -> None:
    names = ("helpfulness", "love", "safety")
    tasks = [Task(name, asked, Happy(), 0.5, reward_version="happy") for name in names]
    own = {
        "helpfulness": TaskConfig(optimiser="crpg", samples=3),
        "love": TaskConfig(optimiser="codpo", samples=4, weight=0.9, pairs=True),
    }
    config = SMALL.model_copy(update={"tasks": own, "samples": 2, "prompts": 16, "weights": "per_task"})
    report = optimise(policy, tmp_path / "love", tasks=tasks, judges={"bye": no_bye}, config=config)
    only = report.rounds[0]
    assert [each.optimiser for each in only.tasks] == ["crpg", "codpo", "crraft"]
    assert only.winners == 16 * 3 + 16 - only.tasks[2].skipped
    assert only.pairs == 16 - only.tasks[1].skipped + only.tasks[1].pairs
    assert [each.pairs > 0 for each in only.tasks] == [False, True, False]
    assert report.gradient == {"helpfulness": 0.5, "love": 0.9, "safety": 0.5}
