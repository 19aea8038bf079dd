"""What an account does, as figures: worked out by hand on a handful of actions."""

import numpy as np
import pytest

from training.trust.actions import DAY, HOUR, Actions, Features, fairness, of_actions, of_counts


def figure(found: Features, name: str) -> list[float]:
    return found.values[:, found.names.index(name)].tolist()


def test_tallies_become_shares_and_an_entropy() -> None:
    found = of_counts(np.array([[2.0, 2.0], [4.0, 0.0], [0.0, 0.0]]), ("star", "push"))
    assert figure(found, "share star") == [0.5, 1, 0]
    assert figure(found, "entropy") == pytest.approx([np.log(2), 0, 0])
    assert figure(found, "kinds") == [2, 1, 0]


def test_accounts_with_the_same_tallies_are_alike() -> None:
    found = of_counts(np.array([[1.0, 0], [1, 0], [1, 0], [9, 4]]), ("star", "push"))
    assert figure(found, "alike") == pytest.approx(np.log([3, 3, 3, 1]).tolist())


def test_an_account_without_actions_has_a_count_and_nothing_else() -> None:
    found = of_actions(Actions(np.array([0, 0]), np.array([5, 6]), np.array([0.0, DAY])), 2)
    assert figure(found, "log actions") == pytest.approx([np.log(3), 0])
    others = [place for place, name in enumerate(found.names) if name not in ("log actions", "log days")]
    assert np.isnan(found.values[1, others]).all()


def test_the_order_of_the_actions_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    actions = Actions(
        rng.integers(0, 9, 200), rng.integers(0, 30, 200), rng.uniform(0, 9 * DAY, 200), rng.normal(size=200)
    )
    mixed = rng.permutation(200)
    again = Actions(*(column[mixed] for column in actions))
    np.testing.assert_allclose(of_actions(actions, 10).values, of_actions(again, 10).values, rtol=1e-9)


def test_gaps_days_and_regularity_are_those_of_the_clock() -> None:
    steady = np.arange(5) * DAY
    found = of_actions(Actions(np.zeros(5, np.int64), np.arange(5), steady), 1)
    assert figure(found, "log median gap") == pytest.approx([np.log1p(DAY)])
    assert figure(found, "regularity") == [0]
    assert figure(found, "log days") == pytest.approx([np.log1p(5)])
    assert figure(found, "fullest day") == pytest.approx([0.2])


def test_company_counts_the_others_on_the_same_object_within_the_hour() -> None:
    user, target = np.array([0, 1, 2, 3]), np.array([7, 7, 7, 8])
    at = np.array([0, 0.5 * HOUR, 3 * HOUR, 0.1 * HOUR])
    found = of_actions(Actions(user, target, at), 4)
    assert figure(found, "company within the hour") == [1, 1, 0, 0]
    assert figure(found, "company within the day") == [1, 1, 1, 0]
    assert figure(found, "place in the queue") == pytest.approx([0, 1 / 3, 2 / 3, 0])


def test_disagreement_is_held_against_the_others_without_ones_own_value() -> None:
    user, target = np.array([0, 1, 2, 3]), np.array([7, 7, 7, 8])
    found = of_actions(Actions(user, target, np.arange(4.0), np.array([1.0, 1.0, -1.0, 1.0])), 4)
    spread = np.std([1, 1, -1, 1])
    assert figure(found, "above the others")[:3] == pytest.approx([1 / spread, 1 / spread, -2 / spread])
    assert figure(found, "alone") == [0, 0, 0, 1]


def test_who_praises_what_all_others_condemn_is_the_least_fair() -> None:
    raters, objects = 12, 10
    user, target = np.repeat(np.arange(raters), objects), np.tile(np.arange(objects), raters)
    value = np.where(target % 2 == 0, 10.0, -10.0) * np.where(user == 3, -1, 1)
    fair = fairness(Actions(user, target, np.zeros(len(user)), value), raters)
    assert fair.argmin() == 3
    assert fair[3] < 0.5 < fair[[place for place in range(raters) if place != 3]].min()


def test_one_strange_action_proves_little() -> None:
    user = np.concatenate([np.repeat(np.arange(10), 8), [10]])
    target = np.concatenate([np.tile(np.arange(8), 10), [0]])
    value = np.concatenate([np.tile(np.linspace(-1, 1, 8), 10), [1.0]])
    fair = fairness(Actions(user, target, np.zeros(len(user)), value), 11)
    assert 0 < fair[:10].mean() - fair[10] < 0.3


def test_fairness_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        fairness(Actions(np.array([0]), np.array([0]), np.array([0.0])), 1)


def test_being_acted_upon_is_the_same_log_without_the_values() -> None:
    seen = Actions(np.array([0, 1]), np.array([1, 2]), np.array([0.0, 5.0]), np.array([1.0, -1.0])).received()
    assert (seen.user.tolist(), seen.target.tolist(), seen.value) == ([1, 2], [0, 1], None)


@pytest.mark.parametrize("user", [[], [2], [-1]])
def test_actions_of_nobody_or_of_strangers_are_refused(user: list[int]) -> None:
    who = np.array(user, np.int64)
    with pytest.raises(ValueError, match="by accounts 0 to 1"):
        of_actions(Actions(who, who, who.astype(float)), 2)
