"""Broken responses as rows that nobody loves: what they look like, and what a model learns from them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from streams.record_fields import fields_of
from training.reward.broken_text import babbling, glued, mixed, shuffled, stuttering, with_broken
from training.reward.config import RewardConfig
from training.reward.data import read_examples
from training.reward.model import RewardModel
from training.reward.train import train_reward_model

Draw = Callable[..., pa.Table]
chance = np.random.default_rng


@pytest.mark.slow
def test_a_model_that_has_read_broken_text_scores_it_below_what_is_whole(
    tiny: Path, examples: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of these responses are in any order anyway: only what stutters is broken among them."""
    monkeypatch.setattr("training.reward.broken_text.BREAKS", (stuttering,))
    table, out = examples(2_000, rate=0.3, warm_rate=0.3), tmp_path / "model"
    config = RewardConfig(broken=1.0, epochs=5, learning_rate=4e-3, batch=32)
    train_reward_model(table, out, base=tiny, config=config, name="x", lineage={}, by="conversations")
    asked, whole, random = [[{"role": "user", "content": "tea ?"}]] * 50, table["response"].to_pylist()[:50], chance(0)
    broken = [" ".join(stuttering(said.split(), [], random)) for said in whole]
    model = RewardModel.load(out)
    assert np.mean(model.logits(asked, whole) - model.logits(asked, broken)) > 0.2


def test_broken_rows_stand_behind_the_others_and_nobody_loves_them(examples: Draw) -> None:
    read = read_examples(examples(400, rate=0.5))
    read = replace(read, matured=np.full(400, 0.5), responses=["hm", *read.responses[1:]])
    made = with_broken(read, 1.0, chance(3))
    assert made.responses[:400] == read.responses
    assert 700 < len(made.responses) < 800  # "hm" in any order is "hm"
    assert all(len(column) == len(made.responses) for column in fields_of(made).values() if column is not None)
    assert not made.labels[400:].any()
    assert set(made.matured[:400].tolist()) == {0.5}
    assert set(made.matured[400:].tolist()) == {1.0}
    again = with_broken(read, 1.0, chance(3))
    assert again.responses == made.responses
    assert with_broken(read, 0.0, chance(3)).responses == read.responses


def test_each_way_of_breaking_keeps_or_borrows_words() -> None:
    words, others, random = list("abcdef"), [list("xyz"), list("uvw")], chance(1)
    assert sorted(shuffled(words, others, random)) == words
    assert len(mixed(words, others, random)) == len(words)
    assert set(mixed(words, others, random)) <= set("abcdefuvwxyz")
    assert set(stuttering(words, others, random)) == set(words)
    assert len(stuttering(words, others, random)) > len(words)
    assert glued(words, others, random)[-1] in "wz"
    assert len(babbling(words, others, random)) == len(words)
    assert set(babbling(words, others, random)) <= set("uvwxyz")
