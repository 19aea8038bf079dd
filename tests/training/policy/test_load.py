import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.policy.load import base_fingerprint, ends_of, fingerprint, load_policy, name_base, read_policy


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model directory at .*nowhere; train it first"):
        load_policy(tmp_path / "nowhere")


def test_a_directory_without_a_model_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        load_policy(tmp_path)


@pytest.mark.slow
def test_a_tokenizer_without_a_chat_template_is_refused(policy: Path, tmp_path: Path) -> None:
    place = shutil.copytree(policy, tmp_path / "mute")
    tokenizer = AutoTokenizer.from_pretrained(place)
    tokenizer.chat_template = None
    (place / "chat_template.jinja").unlink()
    tokenizer.save_pretrained(place)
    with pytest.raises(ValueError, match="has no chat template"):
        load_policy(place)


def test_a_tokenizer_without_an_end_token_is_refused(policy: Path, tmp_path: Path) -> None:
    place = shutil.copytree(policy, tmp_path / "endless")
    settings = json.loads((place / "tokenizer_config.json").read_text())
    (place / "tokenizer_config.json").write_text(json.dumps(settings | {"eos_token": None}))
    with pytest.raises(ValueError, match=r"the tokenizer of .*endless has no end token \(eos_token\)"):
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


def an_adapter(base: Path, place: Path) -> Path:
    """A saved adapter of a base that does nothing yet, beside a report that names what it was trained on."""
    from peft import LoraConfig, get_peft_model

    opened = load_policy(base)
    wrapped = get_peft_model(opened.model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    wrapped.save_pretrained(place)
    opened.tokenizer.save_pretrained(place)
    name_base(place, base, seen_from=place)
    (place / "policy.json").write_text(json.dumps({"reference": f"{base.name}@{fingerprint(base)}"}))
    return place


def edited(base: Path, change: Callable[[dict[str, torch.Tensor]], None], file: str = "model.safetensors") -> Path:
    """The same folder after a change of its weights."""
    weights = load_file(base / file)
    change(weights)
    save_file(weights, base / file, metadata={"format": "pt"})
    return base


def test_an_adapter_whose_base_was_trained_again_is_refused(policy: Path, tmp_path: Path) -> None:
    base = shutil.copytree(policy, tmp_path / "base")
    adapter = an_adapter(base, tmp_path / "adapter")
    read_policy(adapter)
    edited(base, lambda weights: weights["model.norm.weight"].add_(0.1))
    with pytest.raises(ValueError, match=r"is an adapter of base@\w+, and the weights at .*: put that base back"):
        read_policy(adapter)


def test_an_adapter_with_weights_that_its_base_has_no_place_for_is_refused(policy: Path, tmp_path: Path) -> None:
    adapter = an_adapter(policy, tmp_path / "adapter")

    def deeper(weights: dict[str, torch.Tensor]) -> None:
        weights |= {key.replace("layers.0", "layers.7"): each.clone() for key, each in weights.items()}

    edited(adapter, deeper, "adapter_model.safetensors")
    with pytest.raises(OSError, match=r"its base has no place for 14 of its weights, the first is .*layers\.7"):
        read_policy(adapter)


def test_an_adapter_of_an_adapter_is_read_and_can_be_trained_in_full(policy: Path, tmp_path: Path) -> None:
    second = an_adapter(an_adapter(policy, tmp_path / "first"), tmp_path / "second")
    found = read_policy(second).model
    assert all(each.requires_grad for each in found.parameters())
    torch.testing.assert_close(found.model.norm.weight, read_policy(policy).model.model.norm.weight)


def test_weights_that_are_missing_are_not_drawn_by_chance(policy: Path, tmp_path: Path) -> None:
    place = shutil.copytree(policy, tmp_path / "holed")
    edited(place, lambda weights: weights.pop("model.layers.0.mlp.up_proj.weight"))
    with pytest.raises(OSError, match=r"lacks 1 weights of a llama language model, the first is .*up_proj"):
        read_policy(place)


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.safetensors", b"short"), ("config.json", b"{"), ("tokenizer.json", b"{"), ("config.json", b"{}")],
)
def test_a_damaged_file_is_told_with_its_folder_and_the_way_out(
    file: str, content: bytes, policy: Path, tmp_path: Path
) -> None:
    place = shutil.copytree(policy, tmp_path / "damaged")
    (place / file).write_bytes(content)
    with pytest.raises(OSError, match=r"damaged cannot be read \(.*give a folder that save_pretrained wrote whole"):
        read_policy(place)


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_an_adapter_that_names_no_base_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(ValueError, match=r"adapter_config\.json names no base .* save the adapter again"):
        read_policy(tmp_path)
