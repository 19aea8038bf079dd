"""The bench of P[Love] against the world's truth: what its figures say of scores that are known."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))


class Told:
    """Stands for a model: gives what the truth says, shifted, and two logits more for a goodbye."""

    def __init__(self, logits: np.ndarray) -> None:
        self.logits_of = dict(enumerate(logits))

    def logits(self, _: list[Any], responses: list[str], **__: Any) -> np.ndarray:
        places = [int(each.split()[0]) for each in responses]
        return np.array(
            [self.logits_of[place] + 2 * ("Bye" in text) for place, text in zip(places, responses, strict=True)]
        )


def test_an_oracle_ranks_as_itself_and_a_shift_shows_in_calibration_alone() -> None:
    from reward_world_parts import figures
    from reward_world_parts.rows import Held

    chance = np.random.default_rng(0).beta(1, 60, 2_000)
    logits = np.log(chance / (1 - chance))
    responses = [f"{place} is it" for place in range(2_000)]
    held = Held([[{"role": "user", "content": "?"}]] * 2_000, responses, chance, np.full(2_000, 3.0))
    right, off = (figures.of(Told(each), held) for each in (logits, logits + np.log(2)))  # type: ignore[arg-type]
    assert right["oracle_ratio"] == pytest.approx(1.0)
    assert off["oracle_ratio"] == pytest.approx(1.0)
    assert right["ece_over_base"] == pytest.approx(0.0, abs=1e-9)
    assert off["ece_over_base"] == pytest.approx(0.95, abs=0.05)
    assert right["closing_shift"] == pytest.approx(2.0)
    assert right["length_rho_excess"] == 0


def test_intervals_are_over_seeds_and_pairs_are_held_against_unpaired_labels_seed_by_seed() -> None:
    from reward_world_parts.figures import KEYS, summary

    full = [dict.fromkeys(KEYS, value) for value in (0.8, 0.9)]
    pairs, unpaired = ([{"pair_accuracy": value} for value in each] for each in ((0.8, 0.9), (0.78, 0.87)))
    found = summary({"full": full, "pairs": pairs, "unpaired": unpaired})
    assert found["auroc"]["value"] == pytest.approx(0.85)
    assert found["auroc"]["low"] < 0.8
    assert found["bt_gap"]["value"] == pytest.approx(0.025)
