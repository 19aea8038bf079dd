"""The benchmark's fast learner: rare loves, natural chances, trust as weight, and features that are computed once."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from adversary_parts.learner import Model, Rows

BENCH = Path(__file__).resolve().parents[2] / "bench"
WORDS = ("warm", "cold", "rain", "bread", "moon", "tea")


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def said(count: int, seed: int) -> tuple[list[list[dict[str, str]]], list[str]]:
    drawn = np.random.default_rng(seed).integers(len(WORDS), size=(count, 4)).tolist()
    asked = [[{"role": "user", "content": f"tell me of {WORDS[row[0]]}"}] for row in drawn]
    return asked, [" ".join(WORDS[place] for place in row) for row in drawn]


def rows(count: int = 3_000, *, trust: float = 1.0, seed: int = 1) -> "Rows":
    """One love in fifty, one in five where the answer is warm; negatives drawn as the benchmark draws them."""
    from adversary_parts.learner import STANDS_FOR, Rows, features

    asked, answers = said(count, seed)
    chance = np.array([0.2 if "warm" in answer else 0.02 for answer in answers])
    random = np.random.default_rng(seed)
    loved = random.random(count) < chance
    kept = loved | (random.random(count) < 1 / STANDS_FOR)
    own = features([asked[place] for place in np.flatnonzero(kept)], [answers[place] for place in np.flatnonzero(kept)])
    weight = np.where(loved[kept], trust, 1.0)
    return Rows(own, loved[kept].astype(np.float64), weight)


def chance_of(model: "Model", answer: str) -> float:
    from adversary_parts.learner import features

    asked = [[{"role": "user", "content": "tell me of tea"}]]
    return float(1 / (1 + np.exp(-model.logits(features(asked, [answer]))[0])))


def test_chances_speak_of_the_natural_rate_though_most_negatives_were_never_read() -> None:
    from adversary_parts import learner

    model = learner.fit(rows(10_000))
    asked, answers = said(2_000, 5)
    chances = 1 / (1 + np.exp(-model.logits(learner.features(asked, answers))))
    warm = np.array(["warm" in answer for answer in answers])
    assert chances.mean() == pytest.approx(np.where(warm, 0.2, 0.02).mean(), rel=0.15)
    assert chances[warm].mean() > 3 * chances[~warm].mean()


def test_where_a_fit_begins_does_not_matter() -> None:
    from adversary_parts import learner

    own = rows()
    cold = learner.fit(own)
    warm = learner.fit(own, learner.fit(rows(seed=2)))
    assert cold.logits(own.features) == pytest.approx(warm.logits(own.features), abs=0.02)


def test_loves_that_are_trusted_less_teach_less() -> None:
    from adversary_parts import learner

    trusted, doubted = learner.fit(rows()), learner.fit(rows(trust=0.1))
    assert chance_of(doubted, "bread warm rain tea") < 0.3 * chance_of(trusted, "bread warm rain tea")


def test_feedback_in_which_nothing_is_trusted_teaches_nothing() -> None:
    from adversary_parts import learner

    with pytest.raises(ValueError, match="no love among"):
        learner.fit(rows(trust=0.0))


def test_features_of_known_texts_are_read_and_only_unknown_ones_are_computed(tmp_path: Path) -> None:
    from adversary_parts import learner
    from adversary_parts.texts import Texts

    asked, answers = said(6, 1)
    table = pa.table(
        {
            "response_id": [f"r{number}" for number in range(6)],
            "conversation": [json.dumps(talk) for talk in asked],
            "response": answers,
        }
    )
    computed = []

    def compute(unknown: pa.Table) -> object:
        computed.append(unknown["response_id"].to_pylist())
        return learner.features_of(unknown)

    known = table.take([4, 1])
    texts = Texts(compute, known["response_id"].to_pylist(), learner.features_of(known))  # type: ignore[arg-type]
    texts.keep(tmp_path / "texts.npz")
    again = Texts.kept(compute, tmp_path / "texts.npz")  # type: ignore[arg-type]
    assert (again.of(table) != learner.features_of(table)).nnz == 0
    assert (again.of(known) != learner.features_of(known)).nnz == 0
    assert computed == [["r0", "r2", "r3", "r5"]]
