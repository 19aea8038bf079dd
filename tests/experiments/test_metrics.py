import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from experiments.effect import sums
from experiments.metrics import STANDARD, Metric, cap_from, values

USERS = {
    "loves": np.array([0, 1, 300]),
    "exposures": np.array([5, 0, 400]) + np.array([0, 3, 0]),
    "returned": np.array([True, False, True]),
    "closings": np.array([0, 0, 2]),
    "unsafe": np.array([0, 0, 0]),
    "p_love": np.array([0.25, 0.5, 100.125]),
}


def test_every_standard_metric_reads_its_columns() -> None:
    rates = {name: sums(*values(metric, USERS)).rate for name, metric in STANDARD.items()}
    assert rates == pytest.approx(
        {
            "loves_per_exposure": 301 / 408,
            "loves_per_user": 301 / 3,
            "lovers": 2 / 3,
            "exposures_per_user": 136,
            "returns": 2 / 3,
            "closings_per_exposure": 2 / 408,
            "unsafe_per_exposure": 0,
            "p_love": 100.875 / 408,
        }
    )


def test_sums_of_chances_are_not_cut_to_whole_numbers() -> None:
    assert sums(*values(STANDARD["p_love"], USERS)).events == 100.875


def test_a_cap_counts_a_fan_up_to_it_and_nobody_else_less() -> None:
    x, y = values(Metric("loves", "loves", cap=10), USERS)
    assert x.tolist() == [0, 1, 10]
    assert y.tolist() == [5, 3, 400]
    assert USERS["loves"].tolist() == [0, 1, 300]


def test_a_binary_metric_counts_users() -> None:
    x, y = values(STANDARD["lovers"], USERS)
    assert x.tolist() == [0, 1, 1]
    assert y.tolist() == [1, 1, 1]


def test_the_cap_of_a_history_leaves_one_user_in_a_thousand_above_it() -> None:
    history = np.random.default_rng(1).negative_binomial(0.3, 0.02, 20_000)
    cap = cap_from(history)
    assert cap == int(cap)
    assert np.mean(history > cap) <= 0.001 < np.mean(history >= cap) + 1e-12
    assert cap_from(np.zeros(50)) == 1
    assert cap_from(np.array([0.2, 0.3])) == 1


@pytest.mark.parametrize(
    ("column", "given", "words"),
    [
        ("loves", np.array([0, math.nan, 1]), r"metric loves_per_exposure: column loves holds nan \(row 2\), must be"),
        ("loves", np.array([-1, 0, -2]), r"column loves holds -1 \(row 1, 2 such rows\), must be finite and 0 or more"),
        ("exposures", np.array([1, 2, math.inf]), r"column exposures holds inf \(row 3\)"),
        ("exposures", np.array([1, 0, 400]), r"column loves holds 1 \(row 2\), must be 0 where exposures is 0"),
        ("loves", np.array(["a", "b", "c"]), r"column loves has shape \(3,\) of <U1, must be numbers"),
        ("loves", np.zeros((3, 2)), r"column loves has shape \(3, 2\)"),
        ("loves", np.array([1, 1]), "2 users in column loves, 3 in exposures, must be one row for each user"),
        ("loves", np.array([None, 1, 2]), r"column loves has shape \(3,\) of object"),
    ],
)
def test_a_column_that_cannot_be_is_refused(column: str, given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        values(STANDARD["loves_per_exposure"], {**USERS, column: given})


def test_a_missing_column_is_named_beside_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"metric returns: column returned is missing, there are \['loves'\]"):
        values(STANDARD["returns"], {"loves": USERS["loves"]})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"better": "less"}, "better == 'less', must be 'more' or 'fewer'"),
        ({"better": "fewer", "margin": 0.8}, "margin == 0.8, must be 1 or more where fewer are better"),
        ({"margin": 1.25}, "margin == 1.25, must be 1 or less where more are better"),
        ({"margin": math.nan}, "margin == nan, must be a positive number"),
        ({"cap": 0}, "cap == 0, must be a positive number"),
        ({"column": ""}, "both must be named"),
    ],
)
def test_a_metric_that_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Metric(**{"name": "loves", "column": "loves", **settings})


@pytest.mark.parametrize(
    ("history", "quantile", "words"),
    [
        (np.array([]), 0.999, "a history of 0 users gives no cap"),
        (np.array([1, math.nan]), 0.999, r"holds nan \(row 2\)"),
        (np.array([1, -1]), 0.999, r"holds -1 \(row 2\)"),
        (np.array([1, 2]), 99.9, r"quantile == 99\.9, must be in \(0, 1\)"),
    ],
)
def test_a_history_that_cannot_be_is_refused(history: Any, quantile: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cap_from(history, quantile)


def test_what_was_settled_does_not_change_and_is_told() -> None:
    metric = STANDARD["closings_per_exposure"]
    assert metric.words == "needless closings, fewer are better, at most 1.25 times the control's"
    assert STANDARD["loves_per_user"].words.endswith("more is better, at least 0.95 times the control's")
    with pytest.raises(FrozenInstanceError):
        metric.margin = 2.0  # type: ignore[misc]
