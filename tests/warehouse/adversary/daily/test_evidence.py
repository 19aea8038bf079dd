"""E-values of users: what they promise while people are honest, and what they see when somebody is not."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from warehouse.adversary.daily.evidence import EvidenceSums, Null, e_bh, fit, weigh
from warehouse.adversary.daily.lines import Chances, calibrate
from warehouse.adversary.daily.trust import score, trust

DAYS, RATE = 14, 0.005
USUAL = Null(1.5, 1.0)


def honest(users: int, rng: np.random.Generator, null: Null = USUAL, *, shown: float = 4.0) -> EvidenceSums:
    """People with tastes of their own, loves drawn response by response over chances that differ tenfold."""
    exposures = rng.poisson(shown, (users, DAYS)) * (rng.random((users, DAYS)) < 0.5)
    owner = np.repeat(np.arange(users * DAYS), exposures.ravel())
    p = RATE * np.exp(rng.normal(-0.5, 1.0, len(owner)))
    taste = np.repeat(rng.gamma(null.shape, null.mean / null.shape, users), exposures.sum(axis=1))
    love = rng.random(len(p)) < taste * p
    return summed(owner, p, love, users)


def summed(owner: np.ndarray, p: np.ndarray, love: np.ndarray, users: int) -> EvidenceSums:
    weights = (np.ones_like(p), p, love * 1.0, love * -np.log(p))
    return EvidenceSums(*(np.bincount(owner, weight, users * DAYS).reshape(users, DAYS) for weight in weights))


def steady(loves: int, shown: int, *, users: int = 1, p: float = RATE) -> EvidenceSums:
    """Users who give so many loves a day among so many responses."""
    whole = np.ones((users, DAYS))
    return EvidenceSums(whole * shown, whole * shown * p, whole * loves, whole * loves * -math.log(p))


def until(sums: EvidenceSums, day: int) -> EvidenceSums:
    return EvidenceSums(*(each * (np.arange(DAYS) <= day) for each in sums))


@pytest.mark.slow
def test_the_mean_of_an_honest_users_e_value_is_at_most_one() -> None:
    people = honest(20_000, np.random.default_rng(1))
    e = np.exp(weigh((people,), USUAL).log_e)
    assert e.mean() - 3 * e.std() / math.sqrt(len(e)) <= 1
    assert e.mean() < 1  # a love is forgiven, which the mean over users does not ask for


@pytest.mark.slow
def test_the_mean_over_honest_loves_is_at_most_one() -> None:
    people = honest(20_000, np.random.default_rng(2))
    e, loves = np.exp(weigh((people,), USUAL).log_e), people.loves.sum(axis=1)
    share = loves / loves.mean()
    assert (share * e).mean() - 3 * (share * e).std() / math.sqrt(len(e)) <= 1


@pytest.mark.slow
def test_looking_every_day_costs_no_more_of_the_honest_loves_than_the_budget() -> None:
    people = honest(20_000, np.random.default_rng(3), shown=12.0)
    loves = people.loves.sum(axis=1)
    lovers = EvidenceSums(*(each[loves > 0] for each in people))
    highest = np.max([weigh((until(lovers, day),), USUAL).log_e for day in range(DAYS)], axis=0)
    for budget in (0.002, 0.01, 0.05):
        weights = np.where(highest >= -math.log(budget), 0.0, trust(highest, budget))
        lost = loves[loves > 0] * (1 - weights)
        error = lost.std() * math.sqrt(len(lost)) / loves.sum()
        assert lost.sum() / loves.sum() - 3 * error <= budget


@settings(max_examples=40, deadline=None)
@given(
    loves=some.lists(some.integers(0, 3), min_size=DAYS, max_size=DAYS),
    day=some.integers(0, DAYS - 1),
)
def test_one_love_more_never_speaks_for_a_user_who_loves_more_than_expected(loves: list[int], day: int) -> None:
    shown = np.full((1, DAYS), 5.0)
    count = np.array([loves], float)
    count[0, day] += 1
    fewer = EvidenceSums(shown, shown * RATE, count, count * -math.log(RATE))
    count = count.copy()
    count[0, day] += 1
    more = EvidenceSums(shown, shown * RATE, count, count * -math.log(RATE))
    assert weigh((more,), USUAL).log_e[0] >= weigh((fewer,), USUAL).log_e[0]


def test_responses_without_a_love_speak_for_a_user() -> None:
    loves = np.zeros((2, DAYS))
    loves[:, 5] = 4.0
    shown = np.full((2, DAYS), 5.0) * np.array([[1.0], [10.0]])
    log_e = weigh((EvidenceSums(shown, shown * RATE, loves, loves * -math.log(RATE)),), USUAL).log_e
    assert log_e[1] < log_e[0]


def test_a_love_on_what_others_seldom_love_weighs_more() -> None:
    shown = np.full((2, DAYS), 5.0)
    loves = np.zeros((2, DAYS))
    loves[:, 3] = 3.0
    surprise = loves * np.array([[-math.log(0.02)], [-math.log(0.0005)]])
    log_e = weigh((EvidenceSums(shown, shown * RATE, loves, surprise),), USUAL).log_e
    assert log_e[1] > log_e[0] + 3


def test_an_account_that_changes_hands_is_seen_from_that_day_on() -> None:
    before, after = steady(0, 5), steady(2, 5)
    hijacked = EvidenceSums(*(np.where(np.arange(DAYS) < 9, a, b) for a, b in zip(before, after, strict=True)))
    found = weigh((hijacked,), USUAL)
    assert found.log_e[0] > math.log(1e6)
    assert found.start[0] == 9


def test_an_excess_on_a_part_alone_is_seen_in_that_part() -> None:
    rng = np.random.default_rng(5)
    keen = EvidenceSums(*(each[:1] for each in honest(1, rng, shown=40.0)))
    odd = np.zeros((1, DAYS))
    odd[0, 6:9] = 1.0
    part = EvidenceSums(odd * 2, odd * 2 * 2e-4, odd, odd * -math.log(2e-4))
    both = EvidenceSums(*(a + b for a, b in zip(keen, part, strict=True)))
    found = weigh((both, part), USUAL)
    assert found.part[0] == 1
    assert found.log_e[0] > weigh((both,), USUAL).log_e[0]


@pytest.mark.parametrize(
    ("loves", "shown", "line"),
    [(4, 4, 500.0), (5, 20, 100.0), (3, 3, 50.0), (6, 60, 13.0)],  # what the docs say of power
)
def test_so_many_loves_of_so_many_responses_are_enough(loves: int, shown: int, line: float) -> None:
    day = np.zeros((1, DAYS))
    day[0, 4] = 1.0
    bought = EvidenceSums(day * shown, day * shown * RATE, day * loves, day * loves * -math.log(RATE))
    assert weigh((bought,), USUAL).log_e[0] > math.log(line)


@pytest.mark.slow
def test_the_spread_of_tastes_is_found_although_adversaries_are_among_the_users() -> None:
    people = honest(6_000, np.random.default_rng(7), Null(1.5, 1.0), shown=12.0)
    loves, expected = people.loves.sum(axis=1), people.expected.sum(axis=1)
    clean = fit(loves, expected)
    assert 0.7 < clean.shape < 2.5
    assert clean.mean == pytest.approx(1.0, rel=0.25)
    loves[::50] += 12  # nearly half of all loves are theirs
    attacked = fit(loves, expected)
    assert attacked.shape == pytest.approx(clean.shape, rel=0.4)
    assert attacked.mean == pytest.approx(clean.mean, rel=0.25)


def test_e_bh_keeps_false_discoveries_below_its_level_although_e_values_depend_on_each_other() -> None:
    rng, level, wrong = np.random.default_rng(8), 0.1, []
    for _ in range(400):
        common = rng.normal()  # all e-values of honest users move together: mean exp(z - 1/2) = 1
        z = 0.9 * common + math.sqrt(1 - 0.81) * rng.normal(size=200)
        log_e = 2 * z - 2
        log_e[:20] += 9
        rejected = e_bh(log_e, level)
        wrong.append(rejected[20:].sum() / max(rejected.sum(), 1))
    assert np.mean(wrong) <= level
    assert e_bh(np.full(5, -np.inf), level).sum() == 0


def test_users_of_whom_nothing_is_asked_get_no_answer() -> None:
    nobody = EvidenceSums(*(np.zeros((0, DAYS)) for _ in EvidenceSums._fields))
    assert [len(each) for each in weigh((nobody, nobody), USUAL)] == [0, 0, 0]


def test_trust_falls_with_evidence_and_is_a_half_on_the_line() -> None:
    log_e = np.linspace(-3, 20, 50)
    weights = trust(log_e, 0.01)
    assert (np.diff(weights) <= 0).all()
    assert weights[0] == 1
    assert trust(np.array([math.log(100)]), 0.01)[0] == pytest.approx(0.5)
    assert score(np.array([math.log(100)]), 0.01)[0] == pytest.approx(1.0)


def chances(rng: np.random.Generator) -> Chances:
    drawn = RATE * np.exp(rng.normal(-0.5, 1.0, 5_000))
    return Chances(drawn, drawn, 0.0)


def test_a_greater_budget_lowers_the_line_and_markovs_is_never_crossed() -> None:
    people = honest(2_000, np.random.default_rng(1), shown=12.0)
    lines = [
        calibrate(people, chances(np.random.default_rng(2)), USUAL, budget, np.random.default_rng(3))
        for budget in (0.001, 0.01, 0.1)
    ]
    assert lines == sorted(lines, reverse=True)
    assert all(line <= -math.log(budget) for line, budget in zip(lines, (0.001, 0.01, 0.1), strict=True))


def test_the_same_draws_give_the_same_line() -> None:
    people = honest(200, np.random.default_rng(1))
    drawn = [calibrate(people, chances(np.random.default_rng(2)), USUAL, 0.01, np.random.default_rng(3)) for _ in "ab"]
    assert drawn[0] == drawn[1]


def test_a_day_without_anything_served_falls_back_on_markov() -> None:
    nothing = EvidenceSums(*(np.zeros((1, DAYS)) for _ in EvidenceSums._fields))
    assert calibrate(
        nothing, Chances(np.zeros(0), np.zeros(0), 0.0), USUAL, 0.01, np.random.default_rng(0)
    ) == pytest.approx(math.log(100))


def test_where_hardly_anybody_loves_twice_the_line_is_the_least_and_no_warning_is_heard() -> None:
    once = EvidenceSums(*(np.full((50, DAYS), value) for value in (0.02, 0.0001, 0.0, 0.0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert calibrate(once, chances(np.random.default_rng(2)), USUAL, 0.01, np.random.default_rng(3)) == 1.5


@pytest.mark.slow
def test_a_line_spends_about_its_budget_of_the_honest_loves() -> None:
    people = honest(20_000, np.random.default_rng(4), shown=12.0)
    loves = people.loves.sum(axis=1)
    lovers = EvidenceSums(*(each[loves > 1] for each in people))
    highest = np.max([weigh((until(lovers, day),) * 2, USUAL).log_e for day in range(DAYS)], axis=0)
    line = calibrate(people, chances(np.random.default_rng(5)), USUAL, 0.02, np.random.default_rng(6))
    lost = loves[loves > 1][highest >= line].sum() / loves.sum()
    assert 0.002 < lost < 0.03
