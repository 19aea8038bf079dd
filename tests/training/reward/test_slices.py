from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from stats.metrics import sigmoid
from training.reward.data import Examples, read_examples
from training.reward.drift import drift, unseen
from training.reward.groups import groups_of, script
from training.reward.measure import Scored
from training.reward.slices import slices_of, slices_result
from training.reward.split import split
from training.reward.thresholds import Thresholds

Draw = Callable[..., pa.Table]
DAY = 86_400_000_000
LIMITS = Thresholds()


def served(rows: int, days: int = 35, *, seed: int = 0) -> tuple[Examples, np.ndarray]:
    """Rows spread evenly over days from a Monday, whose labels come true as the logits beside them say."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 1.2, rows)
    labels = (random.random(rows) < sigmoid(logits)).astype(float)
    users = np.array([f"user {each}" for each in random.integers(0, rows // 5, rows)])
    start = int(np.datetime64("2026-01-05", "us").astype(np.int64))
    times = start + np.arange(rows) * (days * DAY // rows)
    said = [[{"role": "user", "content": "tea?"}]] * rows
    return Examples(said, ["Yes."] * rows, labels, np.ones(rows), users, times), logits


def scored(examples: Examples, logits: np.ndarray) -> Scored:
    return Scored(examples, examples.weights, 1.0, logits, logits)


def test_a_slice_whose_chances_are_off_is_named_with_counts_and_interval() -> None:
    examples, logits = served(4_000)
    policy = np.array(["old", "new"] * 2_000)
    told = logits - 0.9 * (policy == "new")
    found = {each.value: each for each in slices_of(scored(examples, told), {"policy": policy}, least=20)}
    assert found["new"].offset.low > 0.5
    assert found["old"].offset.low < 0 < found["old"].offset.high
    assert found["new"].ece_after.low > found["old"].ece_debiased
    result = slices_result(list(found.values()), LIMITS)
    assert result.state == "failed"
    assert result.words.startswith(f"policy new (2,000 rows, {int(examples.labels[1::2].sum())} positives): ")
    assert "times the odds that are said come true" in result.words
    assert slices_result(slices_of(scored(examples, logits), {"policy": policy}, least=20), LIMITS).state == "passed"


def test_small_slices_are_pooled_and_told() -> None:
    examples, logits = served(1_000)
    topic = np.array(["tea"] * 900 + [f"rare {each}" for each in range(100)])
    large, pooled = slices_of(scored(examples, logits), {"topic": topic}, least=10)
    assert (large.value, large.rows) == ("tea", 900)
    assert (pooled.value, pooled.rows) == ("others (rare 0, rare 1, rare 10 and 97 more)", 100)
    assert slices_of(scored(examples, logits), {"topic": np.array(["tea"] * 1_000)}, least=10) == []


def test_weights_bring_a_slice_back_to_the_natural_rate() -> None:
    examples, logits = served(20_000)
    kept = np.flatnonzero((examples.labels > 0) | (np.arange(20_000) % 4 == 0))
    part = examples.take(kept)
    weights = np.where(part.labels > 0, 1.0, 4.0)
    half = np.array(["first"] * 10_000 + ["second"] * 10_000)
    some = Scored(part, weights, 4.0, logits[kept], logits[kept])
    for each in slices_of(some, {"half": half[kept]}, least=20):
        assert each.rate == pytest.approx(examples.labels.mean(), abs=0.02)
        assert each.offset.low < 0 < each.offset.high


def test_groups_come_from_columns_texts_and_the_first_row_of_a_user(examples: Draw) -> None:
    table = examples(3_000).append_column("policy", pa.array(["a", "b", None] * 1_000))
    table = table.append_column("task", pa.array(["only"] * 3_000))
    every = read_examples(table)
    first = int(np.flatnonzero(every.users == every.users[2_999])[0])
    found = groups_of(table, every, np.array([first, 2_999]), by="users")
    assert set(found) == {"language", "place", "tenure", "policy"} - ({"policy"} if first % 3 == 2_999 % 3 else set())
    assert found["tenure"].tolist() == ["first day", "days 2 to 7"]
    assert found["language"].tolist() == ["latin", "latin"]
    assert found["place"].tolist() == ["turn 1", "turn 1"]
    assert "tenure" not in groups_of(table, every, np.arange(10), by="conversations")
    assert (script("Grüße an Bob"), script("سلام"), script("")) == ("latin", "arabic", "no letters")


def test_a_week_that_comes_true_less_often_alarms_and_is_named() -> None:
    examples, logits = served(6_000)
    week = (examples.times - examples.times[0]) // (7 * DAY)
    assert drift(scored(examples, logits), LIMITS).alarms == []
    found = drift(scored(examples, np.where(week == 3, logits + 1, logits)), LIMITS)
    assert [each.value for each in found.weeks] == [
        f"2026-{day}" for day in ("01-05", "01-12", "01-19", "01-26", "02-02")
    ]
    (alarm,) = found.alarms
    assert alarm.startswith("week of 2026-01-26: 0.3")
    assert found.result.state == "failed"


def test_a_week_that_ranks_worse_alarms() -> None:
    examples, logits = served(6_000)
    week = (examples.times - examples.times[0]) // (7 * DAY)
    shuffled = np.where(week == 1, np.random.default_rng(0).permutation(logits), logits)
    alarms = drift(scored(examples, shuffled), LIMITS).alarms
    assert [each for each in alarms if each.startswith("week of 2026-01-12: AUROC 0.")]
    assert not [each for each in alarms if "2026-01-12" not in each]


@pytest.mark.slow
def test_alarms_by_chance_are_rare() -> None:
    alarms = sum(bool(drift(scored(*served(1_500, seed=seed)), LIMITS).alarms) for seed in range(20))
    assert alarms <= 2


def test_small_weeks_are_one_with_the_next_and_one_week_is_nothing_to_compare() -> None:
    examples, logits = served(400)
    few = drift(scored(examples, logits), LIMITS.model_copy(update={"slice_rows": 40}))
    assert 2 <= len(few.weeks) < 5
    assert sum(each.rows for each in few.weeks) == 400
    joined = [each.value for each in few.weeks if " to " in each.value]
    assert joined, "none bears the names of the weeks that it holds"
    assert few.weeks[0].value[:10] == "2026-01-05"
    assert few.weeks[-1].value[-10:] == "2026-02-02"
    one = drift(scored(*served(400, days=5)), LIMITS)
    assert one.result.state == "not measured"
    assert "cover 1 weeks" in one.why


def test_weeks_hold_users_of_no_training_part_at_any_time() -> None:
    examples, _ = served(2_000)
    parts = split(examples, test_users=0.3, test_time=0.3, validation_users=0.1, seed=0)
    rows = unseen(examples, parts)
    assert set(parts.test) <= set(rows)
    assert examples.times[rows].min() < examples.times[parts.test].min()
    learnt = set(examples.users[parts.train]) | set(examples.users[parts.validation])
    assert not learnt & set(examples.users[rows])
