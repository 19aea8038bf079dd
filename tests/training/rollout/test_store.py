from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streams.record_fields import fields_of
from training.rollout.generator import Draw, Sample, TransformersGenerator
from training.rollout.store import RolloutStore

Prompts = list[list[dict[str, str]]]
HOW = Draw(samples=2, seed=1, temperature=1.0, max_new_tokens=16)


class Counted(TransformersGenerator):
    """Counts how often it is asked."""

    asked = 0

    def sample(self, *args: object, **kwargs: object) -> list[list[Sample]]:
        self.asked += 1
        return super().sample(*args, **kwargs)


def test_rollouts_are_drawn_once_and_read_back_as_they_were(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    generator = Counted(policy)
    store = RolloutStore(tmp_path)
    first, again = (store.rollouts(generator, asked[:5], HOW) for _ in range(2))
    assert generator.asked == 1
    assert first.key == again.key
    expected = TransformersGenerator(policy).sample(asked[:5], **fields_of(HOW))
    for found, wanted in zip(again.samples, expected, strict=True):
        for one, two in zip(found, wanted, strict=True):
            assert (one.text, one.policy_version) == (two.text, two.policy_version)
            np.testing.assert_array_equal(one.token_ids, two.token_ids)
            np.testing.assert_array_equal(one.logprobs, two.logprobs)


class Silent(TransformersGenerator):
    """Leaves log-probabilities out where it may."""

    def sample(self, *args: object, **kwargs: object) -> list[list[Sample]]:
        drawn = super().sample(*args, **kwargs)
        return drawn if kwargs["logprobs"] else [[each._replace(logprobs=None) for each in some] for some in drawn]


def test_samples_without_log_probabilities_are_kept_apart_from_those_with(
    policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    store, who = RolloutStore(tmp_path), Silent(policy)
    spared = [store.rollouts(who, asked[:3], replace(HOW, logprobs=False)) for _ in range(2)]
    full = store.rollouts(who, asked[:3], HOW)
    assert spared[0].key == spared[1].key != full.key
    for some in spared:
        assert [each.logprobs for several in some.samples for each in several] == [None] * 6
        assert [[each.text for each in several] for several in some.samples] == [
            [each.text for each in several] for several in full.samples
        ]
    assert all(len(each.logprobs) == len(each.token_ids) for several in full.samples for each in several)


def test_other_weights_prompts_or_chance_never_share_rollouts(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    store = RolloutStore(tmp_path)
    generator, other = TransformersGenerator(policy), TransformersGenerator(policy, "other")
    keys = {
        store.rollouts(generator, asked[:2], HOW).key,
        store.rollouts(other, asked[:2], HOW).key,
        store.rollouts(generator, asked[2:4], HOW).key,
        store.rollouts(generator, asked[:2], replace(HOW, seed=2)).key,
        store.rollouts(generator, asked[:2], replace(HOW, temperature=0.8)).key,
    }
    assert len(keys) == 5


def test_scores_are_kept_for_each_reward_model(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    store = RolloutStore(tmp_path)
    rollouts = store.rollouts(TransformersGenerator(policy), asked[:2], HOW)
    scores = np.array([[0.5, -1.0], [2.0, 0.0]])
    asked_for = []
    for version in ("a", "a", "b"):
        found = store.scores(rollouts, version, lambda version=version: (asked_for.append(version), scores)[1])
        np.testing.assert_array_equal(found, scores)
    assert asked_for == ["a", "b"]


def test_a_write_that_was_cut_off_is_not_taken_for_rollouts(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    store = RolloutStore(tmp_path)
    key = store.rollouts(TransformersGenerator(policy), asked[:2], HOW).key
    whole = (tmp_path / f"rollouts-{key}.parquet").read_bytes()
    (tmp_path / f"rollouts-{key}.parquet").unlink()
    (tmp_path / f"rollouts-{key}.parquet.77.part").write_bytes(whole[: len(whole) // 2])
    again = store.rollouts(TransformersGenerator(policy), asked[:2], HOW)
    assert [len(several) for several in again.samples] == [2, 2]


def test_what_the_disk_has_spoilt_is_drawn_and_scored_again(policy: Path, asked: Prompts, tmp_path: Path) -> None:
    store, generator, scored = RolloutStore(tmp_path), Counted(policy), []

    def scores() -> np.ndarray:
        scored.append(1)
        return np.zeros((2, 2))

    for _ in range(3):
        found = store.rollouts(generator, asked[:2], HOW)
        assert [len(several) for several in found.samples] == [2, 2]
        assert store.scores(found, "a", scores).shape == (2, 2)
        for file in tmp_path.iterdir():
            file.write_bytes(file.read_bytes()[:60])
    assert (generator.asked, len(scored)) == (3, 3)


def test_a_full_disk_is_told_with_what_was_drawn_and_leaves_what_was_kept(
    policy: Path, asked: Prompts, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    store, who = RolloutStore(tmp_path), TransformersGenerator(policy, "tiny@abc")
    kept = store.rollouts(who, asked[:1], HOW)
    before = sorted(tmp_path.iterdir())
    (tmp_path / "rollouts-other.parquet.1.part").touch()  # of another run that shares the folder
    full_disk()
    said = r"what tiny@abc drew \(round 1: love, samples\) could not be written to .* GiB are free there\. .* make room"
    with pytest.raises(OSError, match=said):
        store.rollouts(who, asked, replace(HOW, samples=16), desc="round 1: love, samples")
    with pytest.raises(OSError, match=r"the scores of 1,024 prompts' samples by v1 could not be written"):
        store.scores(kept, "v1", lambda: np.zeros((1024, 2)))
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "rollouts-other.parquet.1.part"])
    assert store.rollouts(who, asked[:1], HOW).key == kept.key
