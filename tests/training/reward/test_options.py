"""What the options of a reward model's training do, each on data that shows it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from assets.cli.train_reward import NUISANCES
from training.reward.audit import counterfactuals
from training.reward.config import Nuisance, RewardConfig
from training.reward.data import read_examples
from training.reward.edits import appending
from training.reward.model import RewardModel
from training.reward.prompt_shift import shift_weights
from training.reward.report import RewardReport
from training.reward.residual import fit_residual
from training.reward.split import split, user_folds
from training.reward.train import train_reward_model

Draw = Callable[..., pa.Table]
QUICK = {"epochs": 2, "learning_rate": 4e-3, "batch": 32}


def trained(examples: pa.Table, out: Path, base: Path, **dials: object) -> RewardReport:
    config = RewardConfig.model_validate(QUICK | dials)
    return train_reward_model(examples, out, base=base, config=config, name="x", lineage={}, by="conversations")


def paired(rows: int) -> pa.Table:
    """Pairs of which the one with `warm` in it was preferred; what else a response says tells nothing."""
    chance, table = np.random.default_rng(1), []
    for number in range(rows):
        words = chance.choice(["tea", "sun", "rain", "yes", "no"], (2, 3))
        asked = json.dumps([{"role": "user", "content": " ".join(chance.choice(["good", "bad", "maybe"], 4))}])
        for warm, said in ((True, words[0]), (False, words[1])):
            response = " ".join([*said, "warm" if warm else "cold"])
            row = {"conversation": asked, "response": response, "label": warm, "weight": 1.0, "pair": str(number)}
            table.append(row | {"user_id": f"u{number % 20}", "served_at": np.datetime64("2026-01-01T00:00:00", "us")})
    return pa.Table.from_pylist(table)


@pytest.mark.slow
def test_pairs_teach_which_response_is_preferred(tiny: Path, tmp_path: Path) -> None:
    report = trained(paired(300), tmp_path / "model", tiny, loss="bradley_terry")
    assert report.pair_accuracy is not None
    assert report.pair_accuracy.low > 0.9
    assert "| pair accuracy |" in (tmp_path / "model" / "README.md").read_text()


def test_a_loss_of_pairs_without_pairs_says_what_to_do(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no two rows are a pair: name the pair of a row in a column pair"):
        trained(examples(600), tmp_path / "model", tiny, loss="bradley_terry")


@pytest.mark.slow
def test_heads_learn_from_disjoint_users_and_caution_takes_from_where_they_disagree(
    tiny: Path, examples: Draw, tmp_path: Path
) -> None:
    report = trained(examples(3_000), tmp_path / "model", tiny, heads=3, caution=1.0)
    assert report.measured.auroc.low > 0.5
    careful = RewardModel.load(tmp_path / "model")
    assert careful.model.config.num_labels == 3
    assert careful.caution == 1.0
    assert "joins 3 heads (their mean less caution" in (tmp_path / "model" / "README.md").read_text()
    asked = [[{"role": "user", "content": "tea ?"}]] * 3
    said = ["warm tea .", "cold tea .", "yes rain"]
    calm = replace(careful, caution=0.0).logits(asked, said)
    assert (careful.logits(asked, said) < calm).all()


def test_the_heads_users_are_disjoint() -> None:
    users = np.array([f"u{number % 50}" for number in range(500)])
    heads = user_folds(users, 4, seed=1)
    assert all(len(set(heads[users == user])) == 1 for user in set(users.tolist()))
    assert set(heads.tolist()) == {0, 1, 2, 3}


@pytest.mark.slow
def test_augmentation_makes_an_emoji_worth_less(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    """Happy users see a smile more often, in this log always, and love for other reasons."""
    table = examples(1_500, rate=0.1)
    loved = table["label"].to_pylist()
    said = [f"{each} :)" if love else each for each, love in zip(table["response"].to_pylist(), loved, strict=True)]
    table = table.set_column(table.column_names.index("response"), "response", pa.array(said))
    edits = appending({"smile": ":)"})
    asked, answers = [[{"role": "user", "content": "tea ?"}]] * 20, ["cold tea ."] * 20
    shifts = []
    for share in (0.0, 1.0):
        out = tmp_path / str(share)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("training.reward.augmentation.ADDED", edits)
            trained(table, out, tiny, augmented=share)
        shifts.append(counterfactuals(RewardModel.load(out), asked, answers, edits=edits)[0].shift)
    assert shifts[1] < 0.7 * shifts[0]


@pytest.mark.slow
def test_a_residual_score_does_not_follow_length(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    report = trained(examples(2_000, rate=0.05), tmp_path / "model", tiny, residual=("words",))
    model = RewardModel.load(tmp_path / "model")
    assert model.residual is not None
    assert model.residual.names == ("words",)
    assert "without words" in report.residual
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"Scores are told {report.residual}." in card
    assert "takes away what `residual.json` says: raw logits alone rank otherwise." in card
    (tmp_path / "model" / "residual.json").unlink()
    with pytest.raises(ValueError, match="is not as it was saved: residual\\.json is missing"):
        RewardModel.load(tmp_path / "model")


def test_a_residual_takes_away_what_a_feature_foretells_and_tells_its_cost() -> None:
    chance = np.random.default_rng(0)
    responses = [" ".join(["word"] * count) for count in chance.integers(1, 40, 2_000)]
    words = np.array([len(each.split()) for each in responses], dtype=float)
    quality = chance.normal(size=2_000)
    labels = (chance.random(2_000) < 1 / (1 + np.exp(2 - quality - 0.05 * words))).astype(float)
    logits = quality + 0.05 * words
    found = fit_residual(("words", "emoji"), logits, labels, responses, np.ones(2_000))
    assert found.slopes[0] == pytest.approx(0.05, abs=0.005)
    assert found.slopes[1] == pytest.approx(0.0, abs=1e-9)  # no response has one
    left = found.apply(logits, responses)
    assert abs(np.corrcoef(left, words)[0, 1]) < 1e-6
    assert found.cost > 0.02  # here longer answers are truly loved more


def test_prompts_of_negatives_are_weighed_to_be_like_those_of_positives(examples: Draw) -> None:
    table = examples(2_000, rate=0.1, warm_rate=0.1)
    label = [love or place % 10 == 0 for place, love in enumerate(table["label"].to_pylist())]
    asked = [
        json.dumps([{"role": "user", "content": "sun sun" if love or place % 4 == 0 else "rain rain"}])
        for place, love in enumerate(label)
    ]
    table = table.set_column(0, "conversation", pa.array(asked)).set_column(2, "label", pa.array(label))
    every = read_examples(table)
    ratio, sunny = shift_weights(every), np.array(["sun" in each for each in asked])
    negative = every.labels == 0
    assert (ratio[~negative] == 1).all()
    assert ratio[negative].mean() == pytest.approx(1.0)
    assert ratio[negative & sunny].mean() > 5 * ratio[negative & ~sunny].mean()


def test_validation_can_be_later_than_all_that_is_learnt_from(examples: Draw) -> None:
    every = read_examples(examples(4_000, rate=0.2))
    parts = split(every, test_users=0.2, test_time=0.2, validation_users=0.2, validation_time=0.2, seed=1)
    assert every.times[parts.train].max() < every.times[parts.validation].min()
    assert every.times[parts.validation].max() < every.times[parts.test].min()
    assert not set(every.users[parts.train]) & set(every.users[parts.validation])


@pytest.mark.slow
def test_silent_users_who_liked_it_make_liking_likelier(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    """The order stays; calibration, which is on what was said, stays as well."""
    table = examples(3_000, rate=0.05)
    report = trained(table, tmp_path / "model", tiny, unsaid=0.1, positive_rate=0.3)
    assert report.measured.auroc.low > 0.55
    rate = np.mean(table["label"].to_pylist())
    scored = RewardModel.load(tmp_path / "model").logits([[{"role": "user", "content": "tea ?"}]] * 2, ["warm", "sun"])
    assert scored[0] > scored[1]
    assert 1 / (1 + np.exp(-scored[1])) < 3 * rate


@pytest.mark.parametrize(
    ("dials", "words"),
    [
        ({"loss": "bradley_terry", "unsaid": 0.1}, "unsaid == 0.1 is for rows"),
        ({"loss": "bradley_terry", "augmented": 0.5}, "augmented == 0.5 is for rows"),
        ({"caution": 0.5}, "needs heads that can disagree"),
    ],
)
def test_options_that_do_not_go_together_are_refused(dials: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RewardConfig.model_validate(dials)


def test_the_command_line_knows_the_same_nuisances() -> None:
    assert get_args(Nuisance) == NUISANCES


def test_an_encoder_learns_without_dropout(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from training.engine.lanes import draws_chance
    from training.reward.classifier import load_classifier

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "tea"]))
    tokenizer = BertTokenizerFast(str(tmp_path / "vocab.txt"))
    shape = BertConfig(
        vocab_size=6, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        hidden_dropout_prob=0.5, attention_probs_dropout_prob=0.5,
    )  # fmt: skip
    for each in (BertModel(shape), tokenizer):
        each.save_pretrained(tmp_path)
    model = load_classifier(str(tmp_path), tokenizer, RewardConfig()).train()
    words = tokenizer(["tea tea tea"], return_tensors="pt")
    assert model(**words).logits.tolist() == model(**words).logits.tolist()
    assert not draws_chance(model)
