import json
import math
from datetime import date

import numpy as np
import pytest

from experiments.ledger import Row, agreement, row, shrunk_lifts, standard_error


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
    assert "may not gate launches" in found.words


def test_a_high_r_of_few_experiments_gates_nothing() -> None:
    """r = 1 over three rows has the interval -1 to 1, and .97 over six reaches below the line."""
    three = agreement(rows([(0.1, 0.09), (0.2, 0.2), (0.3, 0.31)]))
    assert three.r is not None
    assert (three.r > 0.99, three.ci, three.passed) == (True, (-1.0, 1.0), False)
    six = agreement(rows([(0.1, 0.15), (0.2, 0.16), (0.3, 0.3), (0.4, 0.35), (0.5, 0.56), (0.6, 0.55)]))
    assert six.r is not None
    assert six.ci is not None
    assert six.r > 0.9 > six.ci.low
    assert not six.passed


def test_the_slope_and_the_order_stand_beside_r() -> None:
    found = agreement(rows([(0.1, 0.05), (0.2, 0.11), (0.3, 0.14), (0.4, 0.21), (0.5, 0.24)]))
    assert found.slope == pytest.approx(0.48, abs=0.01)
    assert found.slope_ci is not None
    assert found.slope_ci.high < 0.7
    assert found.rho == 1.0
    assert "rho = 1.00" in found.details[0]
    assert "slope of measured on predicted lift 0.48" in found.details[2]


def test_r_is_corrected_for_the_known_errors_of_the_measured_lifts() -> None:
    pairs = [(0.1, 0.2), (0.2, 0.1), (0.3, 0.35), (0.4, 0.3), (0.5, 0.55)]
    known = agreement([each | {"measured_error": 0.06} for each in rows(pairs)])
    assert known.r is not None
    assert known.corrected_r is not None
    share = 1 - 0.06**2 / np.var([measured for _, measured in pairs], ddof=1)
    assert known.corrected_r == pytest.approx(known.r / share**0.5)
    assert "is no error" in known.details[1]
    assert known.words == agreement(rows(pairs)).words  # the verdict rests on what was measured


def test_no_correction_is_made_up() -> None:
    pairs = [(0.1, 0.2), (0.2, 0.1), (0.3, 0.35), (0.4, 0.3), (0.5, 0.55)]
    noisy = agreement([each | {"measured_error": 0.5} for each in rows(pairs)])
    assert noisy.corrected_r is None
    assert "by no more than their own errors explain" in noisy.details[1]
    half = agreement([*rows(pairs[:3]), *(each | {"measured_error": 0.06} for each in rows(pairs[3:]))])
    assert half.corrected_r is None
    assert "of 3 of 5 measured lifts it is not known" in half.details[1]


@pytest.mark.parametrize("one_look", [(None, 0.3), (0.1, math.inf), (-1.0, 0.2), (0.2, 0.2)])
def test_an_open_interval_gives_no_standard_error(one_look: tuple[float | None, float | None]) -> None:
    assert standard_error(0.2, one_look) is None


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


NOISY = [
    {"experiment": name, "predicted_lift": predicted, "measured_lift": measured, "measured_error": error}
    for name, predicted, measured, error in (
        ("a", 0.05, 0.02, 0.05),
        ("b", 0.1, 0.16, 0.05),
        ("c", 0.15, 0.1, 0.06),
        ("d", 0.2, 0.22, 0.05),
        ("e", 0.25, 0.6, 0.3),
    )
]


def test_measured_lifts_shrink_by_their_share_of_error() -> None:
    """The largest lift is the least certain one: little of it is left."""
    found = {each.experiment: each for each in shrunk_lifts(NOISY)}
    assert found["e"].lift < 0.2
    assert found["e"].error < 0.3
    assert found["a"].lift > 0.02
    assert found["d"].lift < 0.22
    assert all(each.ci.low < each.lift < each.ci.high for each in found.values())


def test_a_latent_r_stands_beside_the_measured_one_and_gates_nothing() -> None:
    found = agreement(NOISY)
    bare = agreement([{key: each[key] for key in ("predicted_lift", "measured_lift")} for each in NOISY])
    assert found.r is not None
    assert found.latent_r is not None
    assert found.latent_ci is not None
    assert found.latent_r > found.r
    assert (found.passed, found.words) == (bare.passed, bare.words)
    assert (bare.latent_r, bare.true_spread, bare.shrunk) == (None, None, ())
    assert "measured without error" in found.details[3]
    assert "once luck is taken off" in found.details[4]
    assert len(bare.details) == 3


def test_exact_measurements_leave_r_as_it_is() -> None:
    exact = agreement([each | {"measured_error": 1e-6} for each in NOISY])
    assert exact.latent_r == pytest.approx(exact.r, abs=1e-3)
    assert exact.latent_ci == pytest.approx(exact.ci, abs=5e-3)


def test_rows_of_invalid_tests_and_unknown_errors_stay_out() -> None:
    invalid = {"experiment": "void", "predicted_lift": 0.3, "measured_lift": None, "measured_error": None}
    unknown = {"experiment": "old", "predicted_lift": 0.3, "measured_lift": 0.2, "measured_error": None}
    lost = {"experiment": "lost", "predicted_lift": 0.3, "measured_lift": -1.0, "measured_error": 0.1}
    assert shrunk_lifts([*NOISY, invalid, unknown, lost]) == shrunk_lifts(NOISY)
    assert agreement([*NOISY, invalid]).experiments == len(NOISY)
    assert agreement([*NOISY, unknown]).latent_r is None


def test_two_known_errors_shrink_nothing() -> None:
    assert shrunk_lifts(NOISY[:2]) == ()


def test_an_agreement_is_told_by_its_fields_names() -> None:
    told = agreement(NOISY).as_dict()
    assert {"r", "ci", "passed", "words", "corrected_r", "latent_r", "shrunk"} < told.keys()
    assert told["shrunk"][0].keys() == {"experiment", "lift", "error", "ci"}
    assert json.loads(json.dumps(told))["r"] == told["r"]


@pytest.mark.parametrize("error", [0.0, -1.0, math.inf])
def test_a_row_whose_error_cannot_be_is_one_whose_error_is_not_known(error: float) -> None:
    pairs = [(0.1, 0.12), (0.2, 0.17), (0.3, 0.33), (0.4, 0.38)]
    rows = [{"predicted_lift": p, "measured_lift": m, "measured_error": 0.02} for p, m in pairs]
    found = agreement([*rows[1:], rows[0] | {"measured_error": error}])
    assert found.r is not None
    assert any("of 1 of 4 measured lifts it is not known" in each for each in found.details)


@pytest.mark.parametrize("errors", [[1e9] * 4, [1e160, 0.05, 0.05, 0.05], [1e-3, 1e9, 1e9, 1e9], [1e-9, 1.0, 1.0, 1.0]])
def test_errors_that_leave_nothing_of_the_other_weights_are_no_reason_to_fail(errors: list[float]) -> None:
    pairs = zip([0.1, 0.2, 0.3, 0.5], [0.12, 0.19, 0.35, 0.44], errors, strict=True)
    rows = [
        {"experiment": str(place), "predicted_lift": predicted, "measured_lift": measured, "measured_error": error}
        for place, (predicted, measured, error) in enumerate(pairs)
    ]
    found = agreement(rows)
    assert (found.experiments, found.r) == (4, pytest.approx(0.968, abs=0.001))
    if max(errors) > 1e6:
        assert found.latent_r is None
        assert f"of {sum(error > 1e6 for error in errors)} of 4 measured lifts it is not known" in " ".join(
            found.details
        )
