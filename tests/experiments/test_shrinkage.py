import math

import numpy as np
import pytest

from experiments.boundaries import planned_drift, spent_width
from experiments.shrinkage import shrunk


def test_the_first_look_stays_as_it_is() -> None:
    assert shrunk(0.4, 0.1, 0.3, last_look=0.0) == 0.4
    assert shrunk(0.4, 0.1, 0.3, last_look=1e-4) == pytest.approx(0.4, abs=0.001)


def test_a_stopped_estimate_shrinks_the_more_the_more_closely_one_looked() -> None:
    error = 0.4 / spent_width(0.4, 0.05)
    found = [shrunk(0.4, error, 0.4, last_look=look) for look in (0.2, 0.35, 0.4)]
    assert 0.4 > found[0] > found[1] > found[2] > 0.2


def test_less_shrinks_as_more_does() -> None:
    assert shrunk(-0.5, 0.17, 0.4, last_look=0.38) == pytest.approx(-shrunk(0.5, 0.17, 0.4, last_look=0.38), abs=1e-3)


def test_a_test_that_went_on_and_shows_nothing_keeps_its_estimate() -> None:
    assert shrunk(0.01, 0.1, 0.9, last_look=0.88) == pytest.approx(0.01, abs=0.003)


def test_a_late_look_is_shrunk_by_what_came_until_the_end() -> None:
    assert shrunk(0.5, 0.1, 1.5, last_look=1.3) < 0.5


@pytest.mark.slow
def test_half_of_the_planned_tests_tell_more_than_is_true_where_it_would_be_two_thirds() -> None:
    true, times = planned_drift(), np.arange(1, 801) / 800
    rng = np.random.default_rng(9)
    place = np.cumsum(rng.standard_normal((4000, 800)) / math.sqrt(800), axis=1) + true * times
    out = place / np.sqrt(times) >= np.array([spent_width(time, 0.05) for time in times])
    stop = times[np.where(out.any(axis=1), out.argmax(axis=1), 799)]
    # The order of tests is by their stop, so it is enough to know the latest stop that is told as more than the truth.
    knots = np.array([0.3, 0.4, 0.5, 0.6, 0.7])
    told = [shrunk(spent_width(at, 0.05) / math.sqrt(at), 1 / math.sqrt(at), at, last_look=at) for at in knots]
    latest = np.interp(-true, -np.array(told), knots)
    assert knots[0] < latest < knots[-1]
    assert (out.any(axis=1) & (stop <= latest)).mean() == pytest.approx(0.5, abs=0.03)
    observed = place[np.arange(4000), (stop * 800).round().astype(int) - 1] / stop
    assert (observed > true).mean() > 0.6


@pytest.mark.parametrize(
    ("estimate", "error", "information", "last", "message"),
    [
        (math.nan, 0.1, 0.5, 0.4, "estimate == nan"),
        (math.inf, 0.1, 0.5, 0.4, "estimate == inf"),
        (0.1, 0.0, 0.5, 0.4, r"standard_error == 0\.0"),
        (0.1, 0.1, 0.0, 0.0, r"information == 0\.0"),
        (0.1, 0.1, 0.5, 0.6, r"last_look == 0\.6, must be in \[0, 0\.5\]"),
        (0.1, 0.1, 0.5, math.nan, "last_look == nan"),
    ],
)
def test_bad_input_says_what_is_wrong(
    estimate: float, error: float, information: float, last: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        shrunk(estimate, error, information, last_look=last)
