import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.policy.load import base_fingerprint, ends_of, fingerprint, load_policy, name_base


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model directory at .*nowhere; train it first"):
        load_policy(tmp_path / "nowhere")


def test_a_directory_without_a_model_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        load_policy(tmp_path)


def test_a_tokenizer_without_a_chat_template_is_refused(policy: Path, tmp_path: Path) -> None:
    place = shutil.copytree(policy, tmp_path / "mute")
    tokenizer = AutoTokenizer.from_pretrained(place)
    tokenizer.chat_template = None
    (place / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(place)
    with pytest.raises(ValueError, match="has no chat template"):
        load_policy(place)


def test_a_fingerprint_follows_the_weights_and_not_the_place_or_other_files(policy: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(policy, tmp_path / "copy")
    (copy / "notes.json").write_text("{}")
    assert fingerprint(copy) == fingerprint(policy)
    model = AutoModelForCausalLM.from_pretrained(copy)
    with torch.no_grad():
        model.model.norm.weight[0] += 1e-3
    model.save_pretrained(copy)
    assert fingerprint(copy) != fingerprint(policy)


def test_an_adapter_is_merged_into_its_base(policy: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = load_policy(policy)
    wrapped = get_peft_model(base.model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, each in wrapped.named_parameters():
            if "lora_B" in name:
                each.fill_(0.01)
    wrapped.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        expected = wrapped.eval()(ids).logits
        found = load_policy(tmp_path).model(ids).logits
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_an_adapter_is_named_with_its_base_wherever_that_lies(policy: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    first = shutil.copytree(policy, tmp_path / "base")
    base = load_policy(first)
    adapter = tmp_path / "adapter"
    get_peft_model(base.model, LoraConfig(r=2, task_type="CAUSAL_LM")).save_pretrained(adapter)
    base.tokenizer.save_pretrained(adapter)
    name = fingerprint(adapter)
    assert base_fingerprint(adapter) == fingerprint(policy)
    assert base_fingerprint(policy) is None
    name_base(adapter, first, seen_from=adapter)
    assert fingerprint(adapter) == name, "another way to say where the base lies"
    second = shutil.copytree(policy, tmp_path / "other")
    changed = AutoModelForCausalLM.from_pretrained(second)
    with torch.no_grad():
        changed.model.norm.weight[0] += 1e-3
    changed.save_pretrained(second)
    name_base(adapter, second, seen_from=adapter)
    assert fingerprint(adapter) != name, "the same adapter over another base is another policy"
    shutil.rmtree(second)
    with pytest.raises(FileNotFoundError, match="no model directory at"):
        fingerprint(adapter)


def test_responses_end_at_the_end_token(policy: Path) -> None:
    loaded = load_policy(policy)
    assert ends_of(loaded) == {loaded.tokenizer.eos_token_id}
