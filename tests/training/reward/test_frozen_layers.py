from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from training.reward.config import RewardConfig
from training.text import encode, load_tokenizer

TALK = [[{"role": "user", "content": "tea ?"}], [{"role": "user", "content": "sun rain tea maybe ?"}]]
SAID = ["warm tea .", "no !"]


def _encoder(directory: Path) -> Path:
    """A BERT of three layers, without a chat template."""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "tea", "sun", "rain", "warm", "no", "?", ".", "user", "1"]
    (directory / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(str(directory / "vocab.txt")).save_pretrained(directory)
    shape = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64
    )
    BertForMaskedLM(shape).save_pretrained(directory)
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_kept_states_give_the_scores_of_the_whole_model(
    kind: str, tiny: Path, tmp_path: Path, cores: Callable[[int], None]
) -> None:
    from training.reward.batches import pad, score
    from training.reward.classifier import load_classifier
    from training.reward.frozen_layers import opened

    base = str(tiny if kind == "decoder" else _encoder(tmp_path))
    tokenizer = load_tokenizer(base)
    model = load_classifier(base, tokenizer, RewardConfig(frozen_layers=1)).eval()
    ids = encode(tokenizer, TALK, SAID, max_tokens=64)
    whole = score(model, ids, partial(pad, pad_id=tokenizer.pad_token_id))
    for number in (1, 2):
        cores(number)
        with opened(model, 1, ids, tokenizer.pad_token_id, {}) as prepare:
            upper = score(model, ids, prepare, tokens=16)
        assert upper == pytest.approx(whole, abs=1e-3)
    assert score(model, ids, partial(pad, pad_id=tokenizer.pad_token_id)) == pytest.approx(whole)


def test_freezing_more_layers_than_there_are_is_refused(tiny: Path) -> None:
    from training.reward.classifier import load_classifier

    with pytest.raises(ValueError, match="frozen_layers == 9, the model has 2"):
        load_classifier(str(tiny), load_tokenizer(str(tiny)), RewardConfig(frozen_layers=9))


def test_what_is_too_long_loses_its_beginning(tiny: Path) -> None:
    tokenizer = load_tokenizer(str(tiny))
    whole = encode(tokenizer, TALK, SAID, max_tokens=64)
    assert encode(tokenizer, TALK, SAID, max_tokens=4) == [row[-4:] for row in whole]
    assert encode(tokenizer, [], [], max_tokens=4) == []
