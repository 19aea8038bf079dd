import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from training.reward.audit import counterfactuals
from training.reward.config import RewardConfig
from training.reward.data import read_examples
from training.reward.edits import Edit, appending
from training.reward.leakage import LeakageError
from training.reward.model import RewardModel
from training.reward.report import RewardReport
from training.reward.thresholds import Finding
from training.reward.train import train_reward_model

Draw = Callable[..., pa.Table]
CONFIG = RewardConfig(epochs=3, learning_rate=4e-3, batch=32)


@pytest.fixture(scope="module")
def trained(tiny: Path, examples: Draw, tmp_path_factory: pytest.TempPathFactory) -> RewardReport:
    """A model of examples in which `warm` is loved."""
    out = tmp_path_factory.mktemp("models") / "p_love"
    lineage = {"training_set": "abc123"}
    return train_reward_model(examples(5_000), out, base=tiny, config=CONFIG, name="P[Love]", lineage=lineage)


def said(response: str) -> tuple[list[dict[str, str]], str]:
    return [{"role": "user", "content": "tea ?"}], response


def score(model: RewardModel, *responses: str) -> list[float]:
    return model.logits(*zip(*map(said, responses), strict=True)).tolist()


@pytest.mark.slow
def test_it_learns_what_is_loved(trained: RewardReport) -> None:
    assert trained.measured.auroc.low > 0.6
    warm, cold = score(RewardModel.load(trained.directory), "warm tea .", "cold tea .")
    assert warm > cold + 1


@pytest.mark.slow
def test_the_card_says_what_the_figures_rest_on_and_adds_the_later_days_of_all_users(trained: RewardReport) -> None:
    card = (trained.directory / "README.md").read_text()
    assert f"It was tested on {trained.rows['test']:,} rows" in card
    assert ("too few for close figures" in card) == (trained.positives["test"] < 100)
    assert trained.later is not None
    assert trained.later.high - trained.later.low < trained.measured.auroc.high - trained.measured.auroc.low
    assert "auroc, later days, all users" in card


@pytest.mark.slow
def test_labels_are_tested_on_other_conversations(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    report = train_reward_model(
        examples(1_500, users=3), tmp_path / "out", base=tiny, config=CONFIG, name="x", lineage={}, by="conversations"
    )
    assert report.rows["test"] > 200
    assert report.later is None
    assert "Measured on conversations that the model has not seen" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
def test_its_chances_are_at_the_natural_rate_although_negatives_were_sub_sampled(trained: RewardReport) -> None:
    """Sub-sampled to 30 % positives from about 12 %, the mean chance must still be about 12 %."""
    model = RewardModel.load(trained.directory)
    cold = float(np.mean(score(model, "cold tea .", "bad rain !", "yes no maybe")))
    assert 1 / (1 + np.exp(-cold)) == pytest.approx(0.02, abs=0.04)


@pytest.mark.slow
def test_a_loaded_model_scores_as_a_padded_batch_does_alone(trained: RewardReport) -> None:
    model = RewardModel.load(trained.directory)
    responses = ["warm tea .", "cold", "yes no maybe warm sun rain bad good !"]
    together = score(model, *responses)
    assert together == pytest.approx([score(model, each)[0] for each in responses], abs=1e-5)
    assert model.logits([], []).shape == (0,)


@pytest.mark.slow
def test_the_directory_holds_card_calibration_and_figures(trained: RewardReport) -> None:
    card = (trained.directory / "README.md").read_text()
    assert "training_set: `abc123`" in card
    assert "Intended use" in card
    assert "closing appended" in card
    facts = json.loads((trained.directory / "metrics.json").read_text())
    assert facts["measured"]["auroc"] == trained.measured.auroc.value
    assert facts["lineage"]["training_set"] == "abc123"
    assert json.loads((trained.directory / "calibration.json").read_text())["method"] == trained.calibration.method
    assert "## Audit" in card
    assert {each["finding"] for each in facts["audit"]["results"]} == set(get_args(Finding))


@pytest.mark.slow
def test_the_audit_finds_a_word_that_buys_love(trained: RewardReport) -> None:
    model = RewardModel.load(trained.directory)
    conversations, responses = zip(*map(said, ["cold tea .", "bad rain !"] * 10), strict=True)
    edits = (*appending({"warm": "warm"}), Edit("nothing", 1, lambda _, response: response))
    bought, nothing = counterfactuals(model, conversations, responses, edits=edits)
    assert bought.liking.low > 0.5
    assert (bought.raised, bought.rows) == (1, 20)
    assert nothing.rows == 0


@pytest.mark.slow
def test_a_model_of_a_log_without_a_pattern_is_not_to_be_used(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    told: list[str] = []
    report = train_reward_model(
        examples(1_500, rate=0.1, warm_rate=0.1),
        tmp_path / "out",
        base=tiny,
        config=CONFIG,
        name="x",
        lineage={},
        tell=told.append,
    )
    assert [each.finding for each in report.audit.blocking] == ["ranking"]
    assert any(line.startswith("WARNING: not to be used: the audit of ranking failed: AUROC") for line in told)
    assert "**Not to be used: ranking failed.**" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.slow
def test_a_leak_ends_the_training_before_it_begins(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    table = examples(600, rate=0.2)
    again = pa.array([" ".join(f"word{row % 50 + each}" for each in range(40)) for row in range(600)])
    asked = pa.array([json.dumps([{"role": "user", "content": "tea ?"}])] * 600)
    table = table.set_column(0, "conversation", asked)
    with pytest.raises(LeakageError, match=r"test texts of at least 30 words .* are copies or near copies"):
        train_reward_model(
            table.set_column(1, "response", again), tmp_path / "out", base=tiny, config=CONFIG, name="x", lineage={}
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    first, second = (
        train_reward_model(examples(1_500), tmp_path / name, base=tiny, config=CONFIG, name=name, lineage={})
        for name in ("first", "second")
    )
    assert first.losses == second.losses
    assert score(RewardModel.load(first.directory), "warm sun") == score(RewardModel.load(second.directory), "warm sun")


@pytest.mark.slow
def test_what_was_cut_and_what_was_told_otherwise_stand_in_card_figures_and_warning(
    tiny: Path, examples: Draw, tmp_path: Path
) -> None:
    """Responses that differ at their start alone, behind a system turn and a template that knows none."""
    base, said = tmp_path / "base", []
    shutil.copytree(tiny, base)
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    for file in base.glob("*.jinja"):
        file.write_text(refuses + file.read_text())
    table = examples(600, rate=0.1)
    longer = pa.array([f"{each} {'tea ' * 40}" for each in table["response"].to_pylist()])
    system = pa.array(
        [f'[{{"role": "system", "content": "good"}}, {each[1:]}' for each in table["conversation"].to_pylist()]
    )
    table = table.set_column(1, "response", longer).set_column(0, "conversation", system)
    config = RewardConfig(epochs=1, learning_rate=4e-3, batch=64, max_tokens=32)
    report = train_reward_model(
        table, tmp_path / "out", base=base, config=config, name="x", lineage={}, by="conversations", tell=said.append
    )
    read = report.trim["train"].rows
    assert report.trim["train"] == (read, read, read, 32)
    assert report.retold == 600
    words = f"{read} of {read} rows were cut to their last 32 tokens, {read} of them lost the whole question"
    assert f"WARNING: of the train part {words}: raise max_tokens" in said
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"Of the train part {words}" in card
    assert "600 of 600 conversations are given to the chat template in another form" in card
    figures = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["trim"]["train"]["without_question"] == read
    assert figures["retold"] == 600


def test_a_missing_model_directory_is_said(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere holds no config.json: give the directory of a model"):
        train_reward_model(
            examples(100), tmp_path / "out", base=tmp_path / "nowhere", config=CONFIG, name="x", lineage={}
        )
    with pytest.raises(FileNotFoundError, match=r"nowhere holds no config.json"):
        RewardModel.load(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"calibration.json is missing: not a reward model of this project"):
        RewardModel.load(tiny)


@pytest.mark.parametrize("rate", [0.0, 1.0, 1.4])
def test_a_positive_rate_outside_0_1_is_refused(rate: float) -> None:
    with pytest.raises(ValidationError, match="positive_rate"):
        RewardConfig(positive_rate=rate)


@pytest.mark.slow
def test_soft_targets_are_learnt_at_their_mean(tiny: Path, examples: Draw, tmp_path: Path) -> None:
    """Credited by half: the ranking is that of the loves, and the mean chance half as high."""
    table = examples(5_000)
    half = pa.array([0.5 * label for label in table["label"].to_pylist()], pa.float64())
    soft = table.set_column(table.column_names.index("label"), "label", half)
    report = train_reward_model(soft, tmp_path / "soft", base=tiny, config=CONFIG, name="soft", lineage={})
    assert report.measured.auroc.low > 0.6
    model = RewardModel.load(tmp_path / "soft")
    held = read_examples(table)
    chances = 1 / (1 + np.exp(-model.logits(held.conversations, held.responses)))
    assert chances.mean() == pytest.approx(held.positive_rate / 2, rel=0.3)
