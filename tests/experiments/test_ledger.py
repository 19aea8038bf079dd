import math
from datetime import date

import pytest

from experiments.ledger import Row, agreement, row


def rows(pairs: list[tuple[float, float | None]]) -> list[dict[str, object]]:
    return [{"predicted_lift": predicted, "measured_lift": measured} for predicted, measured in pairs]


def test_a_row_keeps_open_limits_as_none() -> None:
    made = row(
        "a", predicted_lift=0.3, measured_lift=0.2, measured_ci=(0.1, math.inf), experiment="e", day=date(2026, 1, 1)
    )
    assert made == Row("a", 0.3, 0.2, 0.1, None, "e", date(2026, 1, 1))


def test_predictions_that_come_true_may_be_trusted() -> None:
    found = agreement(rows([(0.1, 0.09), (0.2, 0.21), (0.3, 0.28), (0.4, 0.41), (0.5, 0.5)]))
    assert found.passed
    assert found.r == pytest.approx(0.997, abs=0.003)
    assert found.ci is not None
    assert found.ci.low > 0.9


def test_predictions_that_do_not_are_not() -> None:
    found = agreement(rows([(0.1, 0.3), (0.2, 0.1), (0.3, 0.25), (0.4, 0.2)]))
    assert not found.passed
    assert "may not be trusted" in found.words


def test_two_experiments_are_too_few_and_unread_ones_do_not_count() -> None:
    found = agreement(rows([(0.1, 0.1), (0.2, 0.2), (0.3, None)]))
    assert (found.r, found.experiments, found.passed) == (None, 2, False)
    assert found.words.startswith("2 experiments")


def test_equal_predictions_have_no_correlation() -> None:
    assert "no correlation" in agreement(rows([(0.1, 0.1), (0.1, 0.2), (0.1, 0.3)])).words


def test_lifts_that_are_no_numbers_do_not_count() -> None:
    found = agreement(rows([(0.1, 0.1), (0.2, 0.2), (0.3, math.nan), (math.inf, 0.4)]))
    assert (found.r, found.experiments) == (None, 2)


def test_an_empty_ledger_says_so() -> None:
    assert agreement([]).words.startswith("0 experiments")
