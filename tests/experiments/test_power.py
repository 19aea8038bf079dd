import numpy as np
import pytest

from experiments.power import exposures_per_arm


@pytest.mark.parametrize(
    ("rate", "lift", "published"),
    [
        (0.001, 0.097, 1_750_000),
        (0.001, 0.28, 228_000),
        (0.01, 0.097, 173_000),
        (0.01, 0.28, 22_500),
        (0.0072, 0.028 / 0.0072 - 1, 625),
    ],
)
def test_the_known_needs_come_out(rate: float, lift: float, published: int) -> None:
    assert exposures_per_arm(rate, lift) == pytest.approx(published, rel=0.01)


def test_clusters_and_looks_cost_exposures() -> None:
    alone = exposures_per_arm(0.01, 0.2)
    assert exposures_per_arm(0.01, 0.2, design_effect=2.0) == pytest.approx(2 * alone, abs=2)
    assert 1.8 * alone < exposures_per_arm(0.01, 0.2, looks="any") < 2 * alone


def test_the_planned_exposures_show_the_lift_as_often_as_promised() -> None:
    rng = np.random.default_rng(5)
    needed = exposures_per_arm(0.02, 0.3)
    control, treatment = rng.binomial(needed, 0.02, 4_000) / needed, rng.binomial(needed, 0.026, 4_000) / needed
    error = np.sqrt((control * (1 - control) + treatment * (1 - treatment)) / needed)
    assert np.mean((treatment - control) / error > 1.96) == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize(("rate", "lift"), [(0.0, 0.1), (0.6, 1.0), (0.1, 0.0), (0.1, -1.0)])
def test_a_plan_without_two_rates_is_refused(rate: float, lift: float) -> None:
    with pytest.raises(ValueError, match="both rates must be in"):
        exposures_per_arm(rate, lift)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alpha": 5}, "alpha == 5, must be in"),
        ({"alpha": 0.0}, "alpha == 0.0, must be in"),
        ({"power": 80}, "power == 80, must be in"),
        ({"power": float("nan")}, "power == nan, must be in"),
        ({"design_effect": -1}, "design_effect == -1, must be a positive number"),
        ({"base_rate": float("nan")}, "both rates must be in"),
        ({"lift": float("nan")}, "both rates must be in"),
    ],
)
def test_levels_and_rates_that_cannot_be_are_refused(changes: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        exposures_per_arm(**{"base_rate": 0.01, "lift": 0.1, **changes})  # type: ignore[arg-type]
