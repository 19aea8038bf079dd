import numpy as np
import pytest

from training.cgpo.tasks import Task, active, ranked_by

ASKED = [[{"role": "user", "content": "hi"}]]


class Flat:
    def logits(self, _: list, responses: list) -> np.ndarray:
        return np.zeros(len(responses))


def task(name: str, weight: float, *, mixed: bool = True) -> Task:
    return Task(name, ASKED, Flat(), weight, mixed=mixed)


def test_a_task_of_weight_nought_is_left_out() -> None:
    tasks = [task("helpfulness", 0.7), task("love", 0.0)]
    assert [each.name for each in active(tasks)] == ["helpfulness"]


def test_mixed_tasks_rank_together_and_any_other_alone() -> None:
    tasks = [task("helpfulness", 0.7), task("safety", 0.3, mixed=False), task("love", 0.1)]
    assert [[each.name for each in ranked_by(one, tasks)] for one in tasks] == [
        ["helpfulness", "love"],
        ["safety"],
        ["helpfulness", "love"],
    ]


@pytest.mark.parametrize(
    ("tasks", "complaint"),
    [
        ([task("love", 0.0)], "no task has a weight above 0"),
        ([task("love", -1.0), task("safety", 1.0)], "love.weight == -1.0, must not be negative"),
        ([task("love", 1.0), task("love", 1.0)], "each name may occur once"),
        ([Task("love", [], Flat(), 1.0)], "love has no prompt"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(tasks: list[Task], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        active(tasks)
