import pytest

from training.cgpo.lesson import Lesson, Pair, Weighted, merge
from training.policy.batches import join

ONE = Weighted(join([1], [2]), 1.0)
PAIR = Pair(join([1], [2]), join([1], [3]), -1.0, -2.0)


def test_each_task_weighs_its_rho_however_much_it_teaches() -> None:
    found = merge([(0.7, Lesson([ONE] * 8)), (0.3, Lesson((), [PAIR] * 2))])
    weights = [each.weight for each in found.weighted]
    assert sum(weights) == pytest.approx(7)
    assert sum(each.weight for each in found.pairs) == pytest.approx(3)


def test_within_a_task_the_rows_weights_weigh_with_their_signs() -> None:
    found = merge([(0.5, Lesson([ONE._replace(weight=0.9), ONE._replace(weight=-0.3)]))]).weighted
    assert found[0].weight == pytest.approx(-3 * found[1].weight)


def test_a_task_that_teaches_nothing_leaves_its_share_to_the_others() -> None:
    assert merge([(0.7, Lesson()), (0.3, Lesson([ONE]))]).weighted == [ONE]
    assert merge([(1.0, Lesson())]).size == 0


def test_a_task_of_weight_nought_keeps_its_rows_and_pulls_nowhere() -> None:
    found = merge([(1.0, Lesson([ONE] * 2)), (0.0, Lesson([ONE] * 2))])
    assert [each.weight for each in found.weighted] == [2.0, 2.0, 0.0, 0.0]


def test_minimal_pairs_stand_beside_the_tasks_shares() -> None:
    found = merge([(0.7, Lesson([ONE])), (0.3, Lesson((), [PAIR]))], beside=[PAIR])
    assert [each.weight for each in found.weighted] == pytest.approx([1.4])
    assert [each.weight for each in found.pairs] == pytest.approx([0.6, 1.0])
    assert merge([], beside=[PAIR]).size == 1
