from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from training.policy.load import fingerprint
from training.rollout.generator import TransformersGenerator

Prompts = list[list[dict[str, str]]]


def texts(found: list) -> list[list[str]]:
    return [[sample.text for sample in several] for several in found]


def test_every_prompt_gets_k_samples_in_its_own_place(policy: Path, asked: Prompts) -> None:
    found = TransformersGenerator(policy).sample(asked, samples=3, seed=1)
    assert [len(several) for several in found] == [3] * len(asked)
    animals = [talk[0]["content"].split()[3] for talk in asked]
    named = [animal in sample.text for animal, several in zip(animals, found, strict=True) for sample in several]
    assert np.mean(named) > 0.8


def test_the_same_seed_draws_the_same_whatever_the_batch(policy: Path, asked: Prompts) -> None:
    generator = TransformersGenerator(policy)
    first = generator.sample(asked, samples=4, seed=1, rows=512)
    again = generator.sample(asked, samples=4, seed=1, rows=8)
    other = generator.sample(asked, samples=4, seed=2)
    assert texts(first) == texts(again)
    assert texts(first) != texts(other)


def test_blocks_beside_each_other_are_blocks_one_after_the_other(
    policy: Path, asked: Prompts, cores: Callable[[int], None]
) -> None:
    found = []
    for number in (1, 2):
        cores(number)
        found.append(TransformersGenerator(policy).sample(asked, samples=4, seed=1, rows=16))
    one, two = ([sample for several in each for sample in several] for each in found)
    assert [each.text for each in one] == [each.text for each in two]
    for first, second in zip(one, two, strict=True):
        assert first.logprobs.tolist() == second.logprobs.tolist()


def test_every_sample_says_which_weights_wrote_it(policy: Path, asked: Prompts) -> None:
    own = TransformersGenerator(policy).sample(asked[:2], samples=2, seed=1)
    named = TransformersGenerator(policy, "love-v17").sample(asked[:2], samples=2, seed=1)
    assert {sample.policy_version for several in own for sample in several} == {f"tiny@{fingerprint(policy)}"}
    assert {sample.policy_version for several in named for sample in several} == {"love-v17"}


def test_no_response_is_longer_than_allowed(policy: Path, asked: Prompts) -> None:
    found = TransformersGenerator(policy).sample(asked, samples=2, seed=1, max_new_tokens=3)
    lengths = [len(sample.token_ids) for several in found for sample in several]
    assert max(lengths) == 3
    assert all(len(sample.logprobs) == len(sample.token_ids) for several in found for sample in several)


def test_no_prompt_gives_no_sample(policy: Path) -> None:
    assert TransformersGenerator(policy).sample([], samples=2, seed=1) == []


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no model directory"):
        TransformersGenerator(tmp_path / "gone")
