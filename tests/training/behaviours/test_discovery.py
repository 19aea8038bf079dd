import numpy as np
import pytest

from training.behaviours.discovery import q_values


def told_by_definition(evidence: np.ndarray, level: float) -> set[int]:
    """e-BH as it is defined: the k largest e-values, for the largest k with e_(k) >= m / (level k)."""
    order, count = np.argsort(-evidence, kind="stable"), len(evidence)
    passing = [k for k in range(1, count + 1) if evidence[order[k - 1]] >= count / (level * k)]
    return {*order[: max(passing, default=0)].tolist()}


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_q_values_tell_what_the_procedure_tells(level: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        evidence = np.exp(rng.normal(size=40) * 4)
        q = q_values(np.log(evidence), np.ones(40))
        assert {*np.flatnonzero(q <= level).tolist()} == told_by_definition(evidence, level)


def test_a_weighted_few_are_not_drowned_by_many() -> None:
    evidence = np.log(np.concatenate([[2_000.0], np.ones(5_000)]))
    alike = q_values(evidence, np.ones(5_001))
    weighted = q_values(evidence, np.concatenate([[1.0], np.full(5_000, 1 / 5_000)]))
    assert alike[0] == 1.0
    assert weighted[0] == pytest.approx(2 / 2_000)


def test_false_discoveries_stay_rare_however_features_depend_on_each_other() -> None:
    """Copies of one feature and its opposite, all of them null, beside ten true changes."""
    rng, shares = np.random.default_rng(2), []
    for _ in range(400):
        shared = rng.normal()
        z = np.concatenate([np.full(100, shared), np.full(100, -shared), rng.normal(size=10) + 6])
        evidence = -0.5 * np.log(10) + 0.5 * z**2 * 0.9  # a normal mixture with V / (V + c^2) = 1 / 10
        told = np.flatnonzero(q_values(evidence, np.ones(210)) <= 0.1)
        shares.append(np.mean(told < 200) if len(told) else 0.0)
    assert np.mean(shares) <= 0.1


def test_nothing_is_nothing() -> None:
    assert q_values(np.zeros(0), np.zeros(0)).tolist() == []
