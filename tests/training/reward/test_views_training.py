"""A small head over a frozen encoder by the one trainer: learnt, measured, saved, read back, its contexts chosen."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from training.engine.config import EngineConfig
from training.reward.config import RewardConfig, ViewsConfig
from training.reward.cross_validation import cross_validate
from training.reward.data import read_examples
from training.reward.saved_reward import SavedReward
from training.reward.train import train_reward_model
from training.reward.views_reward import views_model

Draw = Callable[..., pa.Table]
CONFIG = RewardConfig(model="views", views=ViewsConfig(bags=1, rounds=40))
SHORT = ViewsConfig(head="logistic", max_tokens=8)
LINEAR = RewardConfig(model="views", views=ViewsConfig(head="logistic"))


def with_log(table: pa.Table, chance: np.random.Generator) -> pa.Table:
    """What the log knew: who had loved before loves again, the pause says nothing."""
    before = (chance.random(table.num_rows) < 0.3).astype(np.int64)
    loved = np.where(before == 1, chance.random(table.num_rows) < 0.5, table["label"].to_numpy(zero_copy_only=False))
    table = table.set_column(table.column_names.index("label"), "label", pa.array(loved.astype(bool)))
    table = table.append_column("since_last", pa.array(chance.exponential(60, table.num_rows)))
    table = table.append_column("earlier_responses", pa.array(before))
    table = table.append_column("earlier_dislikes", pa.array(np.zeros(table.num_rows, np.int64)))
    return table.append_column("earlier_loves", pa.array(before))


@pytest.mark.slow
def test_the_trainer_makes_a_small_head_with_its_card_and_its_figures(
    tiny: Path, examples: Draw, tmp_path: Path
) -> None:
    table, told, config = examples(3_000), list[str](), LINEAR.model_copy(update={"views": SHORT})
    lineage = {"command": "loveloop train reward --views"}
    out = tmp_path / "model"
    report = train_reward_model(table, out, base=tiny, config=config, name="x", lineage=lineage, tell=told.append)
    assert report.measured.auroc.low > 0.5
    card = (out / "README.md").read_text()
    assert "A small head over the messages' vectors of a frozen encoder" in card
    assert "place (" in card
    assert f"{report.unread}.\n" in card
    assert report.unread.endswith("messages were longer than 8 tokens and lost their end")
    assert f"WARNING: {report.unread}" in told
    assert "ViewsReward.load(DIRECTORY)" in card
    assert json.loads((out / "metrics.json").read_text())["config"]["model"] == "views"
    every = read_examples(table)
    logits = SavedReward(out).logits(every.conversations[:20], every.responses[:20])
    assert np.isfinite(logits).all()
    assert logits.std() > 0


@pytest.mark.slow
def test_a_context_is_kept_where_it_helps_on_unseen_users_and_left_out_where_not(tiny: Path, examples: Draw) -> None:
    every = read_examples(with_log(examples(4_000), np.random.default_rng(1)))
    other = np.isin(every.users, np.unique(every.users)[::3])
    train, held = every.take(np.flatnonzero(~other)), every.take(np.flatnonzero(other))
    model = views_model(train, held, str(tiny), CONFIG, name="x")
    assert model.config.context == ("reactions",)
    assert set(model.gains) == {"place", "closing", "pause", "reactions"}
    assert model.gains["reactions"].low > 0 >= model.gains["pause"].low


@pytest.mark.slow
def test_its_folds_share_the_messages_vectors(tiny: Path, examples: Draw) -> None:
    table = examples(1_500)
    found = cross_validate(table, ["a"] * 1_500, base=tiny, config=LINEAR, folds=2, name="x")
    assert found.auroc.low > 0.5
    assert np.isfinite(found.logits).all()


def test_what_goes_with_a_classifier_alone_is_refused() -> None:
    with pytest.raises(ValidationError, match="heads == 2 is for a classifier, and model == 'views'"):
        RewardConfig(model="views", heads=2)
    with pytest.raises(ValidationError, match=r"epochs == 5, batch == 8, learning_rate == 0\.1 is for a classifier"):
        RewardConfig(model="views", epochs=5, batch=8, learning_rate=0.1)


def test_a_frozen_encoder_wants_no_ranks(tiny: Path, examples: Draw) -> None:
    every = read_examples(examples(50))
    with pytest.raises(ValueError, match="a frozen encoder learns in one process"):
        views_model(every, every, str(tiny), CONFIG, name="x", engine=EngineConfig(kind="deepspeed"))
