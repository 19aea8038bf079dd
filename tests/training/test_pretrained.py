import re
from pathlib import Path

import pytest
from huggingface_hub.utils import are_progress_bars_disabled
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from training import pretrained
from training.policy.load import load_policy

ROOT = Path(__file__).resolve().parents[2]


def test_a_model_is_read_and_written_without_a_bar_where_transformers_would_draw_one(
    policy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logging.enable_progress_bar()
    AutoModelForCausalLM.from_pretrained(policy).save_pretrained(tmp_path / "theirs")
    assert "Loading weights" in capfd.readouterr().err
    loaded = load_policy(policy)
    pretrained.save(tmp_path / "ours", loaded.model, loaded.tokenizer)
    assert capfd.readouterr() == ("", "")
    assert {"model.safetensors", "tokenizer.json"} <= {file.name for file in (tmp_path / "ours").iterdir()}


def test_the_bar_of_a_download_stays(policy: Path) -> None:
    load_policy(policy)
    assert not are_progress_bars_disabled()


def test_nothing_else_calls_the_readers_and_writers_of_transformers() -> None:
    sources = [file for package in ("assets", "training", "bench") for file in (ROOT / package).rglob("*.py")]
    calls = re.compile(r"\.(from|save)_pretrained\(")
    found = [file.name for file in sources if calls.search(file.read_text())]
    told = ("rival_", "usage.py")  # a rival has its own place, and a card says how others open the model
    assert [name for name in found if not name.startswith(told)] == ["pretrained.py"]
