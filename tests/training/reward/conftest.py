"""A tiny language model and examples in which warm words are loved."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

WORDS = ["good", "bad", "warm", "cold", "yes", "no", "maybe", "tea", "sun", "rain", ".", "!", "?"]


def draw_examples(
    rows: int, *, seed: int = 0, users: int = 200, rate: float = 0.02, warm_rate: float = 0.25
) -> pa.Table:
    """Labelled examples, a minute apart; a response with `warm` in it is loved more often."""
    drawn = random.Random(seed)
    table = []
    for place in range(rows):
        response = " ".join(drawn.choices(WORDS, k=drawn.randint(3, 9)))
        table.append(
            {
                "conversation": json.dumps([{"role": "user", "content": " ".join(drawn.choices(WORDS, k=5))}]),
                "response": response,
                "label": drawn.random() < (warm_rate if "warm" in response else rate),
                "weight": 1.0,
                "user_id": f"user-{drawn.randint(1, users)}",
                "served_at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=place),
            }
        )
    return pa.Table.from_pylist(table)


@pytest.fixture(scope="session")
def examples() -> Callable[..., pa.Table]:
    """Draws labelled examples."""
    return draw_examples


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a Llama of two layers with one token a word and a chat template."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    names = ["<pad>", "<unk>", "<end>", "user", "assistant", *WORDS]
    inner = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, "<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="<end>")
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }} {{ m.content }} <end> {% endfor %}"
    shape = LlamaConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        pad_token_id=0,
        eos_token_id=2,
        bos_token_id=None,
    )
    directory = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(shape).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory
