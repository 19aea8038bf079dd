import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from training.policy.load import fingerprint
from training.policy.pretrain import PretrainConfig, assistant_speaks, pretrain_policy
from training.policy.tokenizer import build_tokenizer
from training.rollout.generator import TransformersGenerator

TINY = PretrainConfig(width=32, layers=1, epochs=0.5, batch_tokens=512)


def test_a_fitted_policy_answers_as_its_log_does(
    policy: Path, asked: list[list[dict[str, str]]], log: pa.Table
) -> None:
    (answers,) = zip(*TransformersGenerator(policy).sample(asked, samples=1, seed=1, temperature=0), strict=True)
    said = set(log["response"].to_pylist())
    assert sum(answer.text in said for answer in answers) >= 0.9 * len(asked)


def test_its_report_lies_beside_it(policy: Path) -> None:
    report = json.loads((policy / "pretrain.json").read_text())
    assert report["parameters"] > 10_000
    assert report["loss"] < 0.5
    assert report["tokens"] > 0


def test_what_the_assistant_said_is_told_from_what_the_user_said() -> None:
    words = build_tokenizer(["hi tea fine"], size=16)
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "fine tea"},
        {"role": "user", "content": "tea"},
    ]
    ids = torch.tensor([[*words(words.apply_chat_template(turns, tokenize=False)).input_ids, words.pad_token_id]])
    spoken = assistant_speaks(ids, words)
    assert words.decode(ids[spoken]) == "fine tea<|end|>"


def test_the_same_seed_fits_the_same_weights_on_one_core_and_on_two(
    log: pa.Table, tmp_path: Path, cores: Callable[[int], None]
) -> None:
    for name, seed, number in (("a", 3, 1), ("b", 3, 2), ("c", 4, 1)):
        cores(number)
        pretrain_policy(log.slice(0, 100), tmp_path / name, config=TINY, seed=seed)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b") != fingerprint(tmp_path / "c")


def test_conversations_may_be_lists_as_well_as_json(log: pa.Table, tmp_path: Path) -> None:
    lists = pa.table(
        {"conversation": [json.loads(each) for each in log["conversation"].to_pylist()], "response": log["response"]}
    ).slice(0, 100)
    pretrain_policy(lists, tmp_path / "lists", config=TINY, seed=3)
    pretrain_policy(log.slice(0, 100), tmp_path / "json", config=TINY, seed=3)
    assert fingerprint(tmp_path / "lists") == fingerprint(tmp_path / "json")


def test_an_empty_table_is_refused(log: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no example to fit a policy to"):
        pretrain_policy(log.slice(0, 0), tmp_path)


def test_a_missing_column_is_named(log: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the examples lack response"):
        pretrain_policy(log.select(["conversation"]), tmp_path)
