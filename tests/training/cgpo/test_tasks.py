import numpy as np
import pytest

from training.cgpo.config import CgpoConfig, TaskConfig
from training.cgpo.tasks import Task, active, gradient_weights, prompts_of, ranked_by

ASKED = [[{"role": "user", "content": "hi"}]]


class Flat:
    def logits(self, _: list, responses: list) -> np.ndarray:
        return np.zeros(len(responses))


CONFIG = CgpoConfig()
ALONE = CgpoConfig(weights="per_task")


def task(name: str, weight: float, *, mixed: bool = True, prompts: int = 1, version: str = "1") -> Task:
    return Task(name, ASKED * prompts, Flat(), weight, mixed=mixed, reward_version=version)


def test_a_mixed_task_of_weight_nought_stays_as_a_control_that_the_others_rank() -> None:
    tasks = [task("helpfulness", 0.7), task("love", 0.0), task("safety", 0.3, mixed=False)]
    assert active(tasks, CONFIG) == tasks
    assert [each.name for each in ranked_by(tasks[1], tasks, CONFIG)] == ["helpfulness"]
    assert active(tasks, ALONE) == tasks
    assert [each.name for each in ranked_by(tasks[1], tasks, ALONE)] == ["love"]


def test_a_task_of_weight_nought_is_left_out_where_nothing_else_ranks_its_prompts() -> None:
    tasks = [task("love", 0.0), task("safety", 0.3, mixed=False)]
    assert [each.name for each in active(tasks, CONFIG)] == ["safety"]
    tasks = [task("love", 0.3), task("safety", 0.0, mixed=False)]
    assert [each.name for each in active(tasks, CONFIG)] == ["love"]


def test_mixed_tasks_rank_together_and_any_other_alone() -> None:
    tasks = [task("helpfulness", 0.7), task("safety", 0.3, mixed=False), task("love", 0.1)]
    assert [[each.name for each in ranked_by(one, tasks, CONFIG)] for one in tasks] == [
        ["helpfulness", "love"],
        ["safety"],
        ["helpfulness", "love"],
    ]
    assert all(ranked_by(one, tasks, ALONE) == [one] for one in tasks)


def test_mixed_tasks_share_their_weights_by_their_prompts() -> None:
    tasks = [task("helpfulness", 0.7, prompts=3), task("safety", 0.3, mixed=False), task("love", 0.1)]
    assert gradient_weights(tasks, CONFIG) == pytest.approx({"helpfulness": 0.6, "safety": 0.3, "love": 0.2})
    assert gradient_weights(tasks, ALONE) == {"helpfulness": 0.7, "safety": 0.3, "love": 0.1}
    own = CgpoConfig(tasks={"love": TaskConfig(weight=0.5)})
    assert gradient_weights(tasks, own)["love"] == 0.5


def test_no_round_takes_another_rounds_prompts() -> None:
    config = CgpoConfig(rounds=3, prompts=4)
    many, few, one = (task("love", 1.0, prompts=count) for count in (100, 8, 1))
    taken = [[place for number in range(3) for place in prompts_of(each, number, config)] for each in (many, few, one)]
    assert taken == [[*range(12)], [*range(8)], [0]]


@pytest.mark.parametrize(
    ("tasks", "complaint"),
    [
        ([task("love", 0.0)], "no task has a weight above 0"),
        ([task("love", -1.0), task("safety", 1.0)], "love.weight == -1.0, must not be negative"),
        ([task("love", 1.0), task("love", 1.0)], "each name may occur once"),
        ([task("love", 1.0, prompts=0)], "love has no prompt"),
        ([task("love", 1.0, version="")], "love.reward_version == '', must name the reward's weights"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(tasks: list[Task], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        active(tasks, CONFIG)


def test_settings_of_a_task_that_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"config.tasks names 'lvoe', tasks are \['love'\]; mend the name"):
        active([task("love", 1.0)], CgpoConfig(tasks={"lvoe": TaskConfig(samples=2)}))


def test_codpo_with_a_single_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="samples == 1 of task love, must be at least 2 for codpo"):
        CgpoConfig(samples=1, tasks={"love": TaskConfig(optimiser="codpo")})
    assert CgpoConfig(samples=1).for_task("love").samples == 1
