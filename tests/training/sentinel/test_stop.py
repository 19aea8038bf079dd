import itertools
from pathlib import Path

import numpy as np
import pytest

from training.cgpo.config import CgpoConfig
from training.cgpo.loop import optimise
from training.cgpo.tasks import Task
from training.sentinel.config import SentinelConfig
from training.sentinel.stop import BehaviourBoundError, check_samples

ASKED = [[{"role": "user", "content": f"what is number {place}?"}] for place in range(300)]
ANSWERS = [f"it is {place}." for place in range(300)]


def samples(closing: float) -> list[list[str]]:
    chosen = np.random.default_rng(1).random((300, 4)) < closing
    return [[f"{text} bye!" if wanted else text for wanted in row] for text, row in zip(ANSWERS, chosen, strict=True)]


def test_samples_beyond_a_bound_stop_the_run_and_say_what_to_do() -> None:
    told = r"closing rose from 0\.00% .* to 1\d\.\d\d% of the samples of task love, round 2, may grow by 2\.0% "
    with pytest.raises(BehaviourBoundError, match=told):
        check_samples(ASKED, samples(0.12), ANSWERS, SentinelConfig(), "task love, round 2")


@pytest.mark.parametrize(
    ("closing", "bounds"), [(0.0, {"closing": 0.02}), (0.015, {"closing": 0.02}), (0.12, {}), (0.12, {"closing": 0.5})]
)
def test_samples_within_bounds_go_on(closing: float, bounds: dict[str, float]) -> None:
    check_samples(ASKED, samples(closing), ANSWERS, SentinelConfig(bounds=bounds), "task love, round 2")


def test_one_prompt_s_samples_are_one_witness() -> None:
    """Sixty goodbyes to fifteen prompts of 300 are fifteen: enough; six to one prompt are one."""
    few = [[f"{text} bye!"] * 8 if place < 1 else [text] * 8 for place, text in enumerate(ANSWERS[:30])]
    check_samples(ASKED[:30], few, ANSWERS[:30], SentinelConfig(), "task love, round 2")


class _Goodbye:
    def logits(self, _: list, responses: list) -> np.ndarray:
        return np.array([3.0 * ("bye" in text) for text in responses])


@pytest.mark.slow
def test_a_run_that_learns_to_say_goodbye_stops_in_its_second_round(policy: Path, tmp_path: Path) -> None:
    questions = [f"what does the {animal} eat?" for animal in ("fox", "owl", "bear", "bee")]
    asked = [
        [{"role": role, "content": text} for role, text in zip(("user", "assistant", "user"), turns, strict=True)]
        for turns in itertools.product(questions, questions, questions)
    ]
    config = CgpoConfig(rounds=2, prompts=32, samples=8, max_new_tokens=16, batch=4, lr=1e-2, supervised=0)
    task = Task("love", asked, _Goodbye(), 1.0, mixed=False, reward_version="goodbye")
    how = {"tasks": [task], "judges": {}, "config": config}
    with pytest.raises(BehaviourBoundError, match=r"closing rose from .* of task love, round 2"):
        optimise(policy, tmp_path / "love", **how, sentinel=SentinelConfig())
    report = optimise(policy, tmp_path / "love", **how, sentinel=SentinelConfig(bounds={}))
    assert len(report.rounds) == 2  # it goes on from where it stopped
