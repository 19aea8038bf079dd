from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit

from training.retention.accuracy import accuracies, weights_of
from training.retention.hazard import Hazard, fit_hazard
from training.retention.returns import UserDays, returns

Drawn = Callable[..., UserDays]


def test_without_columns_it_is_kaplan_and_meier(drawn: Drawn) -> None:
    days = drawn(3_000, cut=0)
    found = returns(days, 1)
    stayed = 1.0
    for period in range(7):
        risk = int((found.periods > period).sum())
        stayed *= 1 - int((found.returned & (found.periods == period + 1)).sum()) / risk
    model = fit_hazard(days, np.zeros((len(days), 0)), (), 1)
    assert model.chance(np.zeros((1, 0)))[0] == pytest.approx(1 - stayed, abs=1e-3)


@pytest.mark.parametrize("cut", [None, 0])
def test_weights_and_chances_are_recovered_with_and_without_censoring(drawn: Drawn, cut: int | None) -> None:
    days = drawn(6_000, cut=cut)
    columns = np.column_stack([days.signals[:, 0], days.past[:, 0]])
    model = fit_hazard(days, columns, ("signal", "past"), 1)
    assert model.weights == pytest.approx([0.8, 0.7], abs=0.06)
    assert expit(model.daily).mean() == pytest.approx(expit(-2), abs=0.01)
    true = 1 - (1 - expit(-2 + 0.8 + 0.7 * np.linspace(-1, 1, 5))) ** 7
    said = model.chance(np.column_stack([np.ones(5), np.linspace(-1, 1, 5)]))
    assert said == pytest.approx(true, abs=0.02)


def test_counting_the_censored_as_gone_would_be_wrong_and_is_not_done(drawn: Drawn) -> None:
    whole, cut = drawn(6_000), drawn(6_000, cut=0)
    nothing = np.zeros((len(whole), 0))
    true = returns(whole, 7).returned.mean()
    naive = returns(cut, 7).returned.mean()
    said = fit_hazard(cut, nothing, (), 7).chance(nothing)[0]
    assert abs(said - true) < 0.02 < true - naive


def test_a_model_survives_json(drawn: Drawn) -> None:
    days = drawn(500)
    model = fit_hazard(days, days.signals[:, :1], ("love",), 7)
    again = Hazard.of_dict(model.as_dict())
    assert again.chance(days.signals[:, :1]) == pytest.approx(model.chance(days.signals[:, :1]), abs=1e-12)


def test_a_log_that_ends_before_the_week_is_refused_in_words(drawn: Drawn) -> None:
    days = drawn(50)
    days.followed[:] = 6
    days.seen[:, 7:] = False
    with pytest.raises(ValueError, match=r"return after 14 days: 0 returns on 0 days at risk.*ingest a longer log"):
        fit_hazard(days, np.zeros((len(days), 0)), (), 14)


def test_the_cumulative_hazard_of_the_whole_week_gives_the_chance(drawn: Drawn) -> None:
    days = drawn(500)
    model = fit_hazard(days, days.past[:, :1], ("past",), 1)
    expected = model.expected(days.past[:, :1], np.full(len(days), 7))
    assert 1 - np.exp(-expected) == pytest.approx(model.chance(days.past[:, :1]))


def test_weights_undo_the_censoring(drawn: Drawn) -> None:
    whole, cut = drawn(8_000), drawn(8_000, cut=0)
    found = returns(cut, 7)
    weighted = np.average(found.returned, weights=weights_of(cut, 7, found))
    known_alone = found.returned[found.complete | found.returned].mean()
    true = returns(whole, 7).returned.mean()
    assert abs(weighted - true) < 0.015 < known_alone - true


def test_more_knowledge_is_more_accurate_on_unseen_users_and_calibrated(drawn: Drawn) -> None:
    learnt, held = drawn(4_000, seed=1), drawn(3_000, seed=2)
    nothing = fit_hazard(learnt, np.zeros((len(learnt), 0)), (), 1)
    past = fit_hazard(learnt, learnt.past, [f"{place}" for place in range(7)], 1)
    both = [np.column_stack([each.past, each.signals]) for each in (learnt, held)]
    every = fit_hazard(learnt, both[0], [f"{place}" for place in range(12)], 1)
    chances = {
        "Kaplan-Meier": nothing.chance(np.zeros((len(held), 0))),
        "past": past.chance(held.past),
        "all": every.chance(both[1]),
    }
    baseline, second, third = accuracies(held, 1, chances)
    assert baseline.gain is None
    assert np.isnan(baseline.slope.value)
    assert second.gain is not None
    assert third.gain is not None
    assert second.gain.low > 0
    assert third.gain.low > 0
    assert 0.5 == baseline.auroc.value < second.auroc.value < third.auroc.value
    assert third.slope.low < 1 < third.slope.high
    assert third.ece < 0.03
    assert baseline.as_dict()["slope"] == [None, None, None]
