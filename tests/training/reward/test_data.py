import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from training.reward.calibration import prior_shift
from training.reward.classifier import evaluation_sample
from training.reward.config import RewardConfig
from training.reward.data import read_examples, subsample
from training.reward.split import opening, split, split_labels

Draw = Callable[..., pa.Table]


def test_no_user_is_in_two_parts_and_the_test_is_later_than_all_else(examples: Draw) -> None:
    every = read_examples(examples(4_000))
    parts = split(every, test_users=0.2, test_time=0.2, validation_users=0.1, seed=1)
    users = [set(every.users[rows]) for rows in parts[:3]]
    assert not users[0] & users[1]
    assert not users[0] & users[2]
    assert not users[1] & users[2]
    earlier = np.concatenate([every.times[parts.train], every.times[parts.validation]])
    assert every.times[parts.test].min() > earlier.max()


def test_the_split_is_the_same_every_time_and_another_for_another_seed(examples: Draw) -> None:
    every = read_examples(examples(2_000))

    def drawn(seed: int) -> list[int]:
        return split(every, test_users=0.2, test_time=0.2, validation_users=0.1, seed=seed).train.tolist()

    assert drawn(1) == drawn(1) != drawn(2)


def test_the_later_part_is_of_all_users_and_holds_the_test(examples: Draw) -> None:
    every = read_examples(examples(4_000))
    parts = split(every, test_users=0.2, test_time=0.2, validation_users=0.1, seed=1)
    assert {*parts.test} < {*parts.later}
    assert not {*parts.later} & ({*parts.train} | {*parts.validation})
    assert len(parts.later) == pytest.approx(800, abs=2)


def test_labels_of_a_few_annotators_are_split_by_conversation_and_leave_enough_to_test_on(examples: Draw) -> None:
    every = read_examples(examples(4_000, users=3))
    begun = list(map(opening, every.conversations, every.responses))
    parts = split_labels(every.labels, begun, test=0.2, validation=0.1, seed=1)
    assert len(parts.test) == pytest.approx(800, rel=0.1)
    assert sum(map(len, parts)) == 4_000
    names = [{begun[row] for row in rows} for rows in parts[:3]]
    assert not names[0] & names[1]
    assert not names[0] & names[2]
    assert not names[1] & names[2]


def test_too_few_conversations_for_a_part_are_refused() -> None:
    with pytest.raises(ValueError, match="part holds 0 positives among"):
        split_labels(np.array([1.0, 0.0] * 20), ["same"] * 40, test=0.2, validation=0.1, seed=1)


def test_sub_sampling_keeps_all_positives_and_says_what_a_negative_stands_for() -> None:
    labels = np.array([1.0] * 20 + [0.0] * 1_980)
    rows, stands_for = subsample(labels, 0.1, np.random.default_rng(0))
    assert labels[rows].sum() == 20
    assert len(rows) == 200
    assert stands_for == 1_980 / 180
    assert np.log(stands_for) == pytest.approx(prior_shift(0.01, 0.1))


def test_a_set_with_more_positives_stays_as_it_is() -> None:
    rows, stands_for = subsample(np.array([1.0, 0, 1, 0]), 0.1, np.random.default_rng(0))
    assert rows.tolist() == [0, 1, 2, 3]
    assert stands_for == 1


@pytest.mark.parametrize("rate", [0.02, 0.6])
def test_an_evaluation_sample_speaks_of_the_natural_rate(examples: Draw, rate: float) -> None:
    every = read_examples(examples(4_000, rate=rate, warm_rate=rate))
    part, weights = evaluation_sample(every, RewardConfig(evaluation_rows=500))
    assert len(part.labels) == pytest.approx(500, abs=2)
    assert np.average(part.labels, weights=weights) == pytest.approx(every.positive_rate, abs=0.06)


def test_an_empty_set_is_refused(examples: Draw) -> None:
    with pytest.raises(ValueError, match="0 examples: a reward model needs positives and negatives"):
        read_examples(examples(1).slice(0, 0))


@pytest.mark.parametrize(("rate", "absent"), [(0.0, "positive"), (1.0, "negative")])
def test_a_set_of_one_kind_is_refused(examples: Draw, rate: float, absent: str) -> None:
    with pytest.raises(ValueError, match=f"no {absent} among 50 examples"):
        read_examples(examples(50, rate=rate, warm_rate=rate))


def test_a_missing_column_is_named(examples: Draw) -> None:
    with pytest.raises(ValueError, match="examples lack weight; they need the columns"):
        read_examples(examples(10).drop_columns(["weight"]))


def test_a_trust_above_one_is_refused(examples: Draw) -> None:
    table = examples(200)
    table = table.set_column(table.column_names.index("weight"), "weight", pa.array([1.5] * 200))
    with pytest.raises(ValueError, match=r"row 1 and 199 more: weight is 1.5, must be in \[0, 1\]"):
        read_examples(table)


def test_too_few_users_for_a_test_part_is_refused(examples: Draw) -> None:
    with pytest.raises(ValueError, match=r"part holds 0 positives among .* examples, it needs both kinds"):
        split(read_examples(examples(60, users=3)), test_users=0.2, test_time=0.2, validation_users=0.1, seed=1)


def test_a_part_of_the_credit_is_a_positive_for_samples_and_keeps_its_target(examples: Draw) -> None:
    table = examples(400, rate=0.1)
    soft = pa.array([0.5 * label for label in table["label"].to_pylist()], pa.float64())
    every = read_examples(table.set_column(table.column_names.index("label"), "label", soft))
    assert set(every.labels.tolist()) == {0.0, 0.5}
    assert every.positives.sum() == sum(table["label"].to_pylist())
    assert every.positive_rate == pytest.approx(every.positives.mean() / 2)
    rows, _ = subsample(every.labels, 0.3, np.random.default_rng(0))
    assert every.positives[rows].sum() == every.positives.sum()


def test_a_target_above_one_is_refused(examples: Draw) -> None:
    table = examples(200)
    labels = pa.array([1.5] + [0.0] * 199)
    with pytest.raises(ValueError, match=r"row 1: label is 1.5, must be in \[0, 1\]"):
        read_examples(table.set_column(table.column_names.index("label"), "label", labels))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("label", None, "row 2: label is None, must be in [0, 1] in every row, it is true, false or a share of credit"),
        ("label", float("nan"), "row 2: label is nan, must be in [0, 1] in every row"),
        ("label", "yes", "label is 'False', must be in [0, 1] in every row"),
        ("label", -1.0, "row 2: label is -1.0, must be in [0, 1]"),
        ("weight", None, "row 2: weight is None, must be in [0, 1] in every row, it is the trust"),
        ("weight", float("nan"), "row 2: weight is nan, must be in [0, 1] in every row"),
        ("weight", float("inf"), "row 2: weight is inf, must be in [0, 1]"),
        ("user_id", None, "row 2: user_id is None, must be filled in every row"),
        ("served_at", None, "row 2: served_at is None, must be filled in every row"),
        ("response", None, "row 2: response is None, must be a text"),
        ("conversation", None, "row 2: conversation is None, must be a list of turns"),
        ("conversation", "[]", "row 2: conversation is '[]', must be a list of turns"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(examples: Draw, column: str, value: object, words: str) -> None:
    table = examples(200)
    kind = {"label": float, "weight": float}.get(column, lambda each: each)
    cells = [(str if value == "yes" else kind)(each) for each in table[column].to_pylist()]
    cells[1] = value
    with pytest.raises(ValueError, match=re.escape(words)):
        read_examples(table.set_column(table.column_names.index(column), column, pa.array(cells)))


def test_feedback_that_nobody_trusts_is_refused(examples: Draw) -> None:
    table = examples(200)
    nobody = table.set_column(table.column_names.index("weight"), "weight", pa.array([0.0] * 200))
    with pytest.raises(ValueError, match="weight is 0 in all 200 rows, must be above 0 in some"):
        read_examples(nobody)


def test_rows_without_trust_make_no_part(examples: Draw) -> None:
    table = examples(2_000, rate=0.1)
    loved = np.array(table["label"].to_pylist(), dtype=bool)
    distrusted = table.set_column(table.column_names.index("weight"), "weight", pa.array((~loved).astype(float)))
    said = r"the train part holds 0 positives among .* examples with a weight above 0 \(\d+ have none\)"
    with pytest.raises(ValueError, match=said):
        split(read_examples(distrusted), test_users=0.2, test_time=0.2, validation_users=0.1, seed=1)


def test_young_rows_are_learnt_from_and_nothing_is_measured_on_them(examples: Draw) -> None:
    table = examples(3_000)
    ripe = np.where(np.arange(3_000) < 2_700, 1.0, 0.5)
    every = read_examples(table.append_column("matured", pa.array(ripe)))
    parts = split(every, test_users=0.2, test_time=0.2, validation_users=0.1, seed=1)
    old = split(read_examples(table.slice(0, 2_700)), test_users=0.2, test_time=0.2, validation_users=0.1, seed=1)
    assert [*parts.test] == [*old.test]
    assert [*parts.validation] == [*old.validation]
    assert [*parts.later] == [*old.later]
    added = sorted({*parts.train} - {*old.train})
    assert added == [row for row in range(2_700, 3_000) if row in {*parts.train}]
    assert 150 < len(added) < 250
    assert not {*every.users[added]} & {*every.users[parts.test], *every.users[parts.validation]}


@pytest.mark.parametrize(("wrong", "rule"), [(0.0, "must be above 0"), (1.5, r"must be in \[0, 1\]")])
def test_a_chance_that_no_love_can_have_come_is_refused(examples: Draw, wrong: float, rule: str) -> None:
    table = examples(200)
    with pytest.raises(ValueError, match=f"row 8: matured.*{rule}"):
        read_examples(table.append_column("matured", pa.array([1.0] * 7 + [wrong] + [1.0] * 192)))
