import pytest

from training.cgpo.leaks import without_leaks
from training.cgpo.tasks import Task

HI = [{"role": "user", "content": "hi"}]


def talk(name: str) -> list[dict[str, str]]:
    return [*HI, {"role": "assistant", "content": name}, {"role": "user", "content": "and?"}]


def task(name: str, *prompts: list) -> Task:
    return Task(name, [*prompts], None, 1.0, reward_version="1")  # type: ignore[arg-type]


def test_a_conversation_of_two_sets_stays_in_the_first_and_is_counted() -> None:
    tasks = [task("helpfulness", talk("a"), talk("b")), task("love", talk("b"), talk("c")), task("safety", talk("d"))]
    kept, dropped = without_leaks(tasks, [])
    assert [[*each.prompts] for each in kept] == [[talk("a"), talk("b")], [talk("c")], [talk("d")]]
    assert dropped == {"love": {"helpfulness": 1}}


def test_nothing_that_is_evaluated_is_learnt_from() -> None:
    kept, dropped = without_leaks([task("love", talk("a"), talk("b"), talk("a"))], [talk("a")])
    assert [*kept[0].prompts] == [talk("b")]
    assert dropped == {"love": {"evaluation": 2}}


@pytest.mark.parametrize("opening", [HI, [{"role": "system", "content": "Be brief."}, *HI]])
def test_a_common_opening_is_no_leak(opening: list[dict[str, str]]) -> None:
    tasks = [task("helpfulness", opening), task("love", opening)]
    assert without_leaks(tasks, [opening]) == (tasks, {})


def test_a_task_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(ValueError, match=r"task love has 1 prompts, all of them in other sets too .*'evaluation': 1"):
        without_leaks([task("love", talk("a"))], [talk("a")])
