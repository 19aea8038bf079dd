"""A word-level tokenizer made from the data: one token a word, so that a tiny model has short sequences to learn.

A token holds the space before it (" fox"), hence decoding is plain joining and gives back the lower-cased text with its
spaces and punctuation as they were. Left out: sub-words (an unknown word is one unknown token) and letter case.
"""

from collections.abc import Iterable
from typing import Any

PAD, UNKNOWN, END = "<|pad|>", "<|unknown|>", "<|end|>"
ROLES = {role: f"<|{role}|>" for role in ("system", "user", "assistant")}
SPECIAL = (PAD, UNKNOWN, END, *ROLES.values())

_WORD = r" ?\w+(?:['\u2019]\w+)*| ?[^\w\s]"
_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def build_tokenizer(texts: Iterable[str], size: int) -> Any:
    """Make a word-level tokenizer with a chat template from the words of some texts.

    Args:
        texts: What the vocabulary is counted on.
        size: The most tokens, the special ones included; the most frequent words stay.

    Returns:
        A `PreTrainedTokenizerFast` that pads on the left.

    >>> words = build_tokenizer(["What does the fox eat?", "The fox eats berries."], size=64)
    >>> words.decode(words("The fox, what does it eat?").input_ids)
    'the fox<|unknown|> what does<|unknown|> eat?'
    >>> words.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True)
    '<|user|>hi<|end|><|assistant|>'
    """
    from tokenizers import Tokenizer, models, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    inner.normalizer, inner.pre_tokenizer, inner.decoder = _reading()
    trainer = trainers.WordLevelTrainer(vocab_size=size, special_tokens=list(SPECIAL), show_progress=False)
    inner.train_from_iterator(texts, trainer)
    names = {
        "pad_token": PAD,
        "unk_token": UNKNOWN,
        "eos_token": END,
        "additional_special_tokens": list(ROLES.values()),
    }
    made = PreTrainedTokenizerFast(
        tokenizer_object=inner, clean_up_tokenization_spaces=False, padding_side="left", **names
    )
    made.chat_template = _TEMPLATE
    return made


def _reading() -> tuple[Any, Any, Any]:
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers

    spaces = [
        normalizers.Lowercase(),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
        normalizers.Prepend(" "),
    ]
    words = pre_tokenizers.Split(Regex(_WORD), behavior="isolated")
    return normalizers.Sequence(spaces), words, decoders.Sequence([decoders.Fuse(), decoders.Strip(" ", 1, 0)])
