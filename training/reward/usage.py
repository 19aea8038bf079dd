"""The end of a model card: how the model was made, how anybody opens it, and what it must not be used for."""

from typing import Any

_MADE = """
## Made by
```sh
{command}
```

`manifest.json` names every file with its size and sha256; `loveloop models show DIRECTORY` says what has changed.
"""
_USAGE = """
## Open it with transformers alone
```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(DIRECTORY, truncation_side="left")
model = AutoModelForSequenceClassification.from_pretrained(DIRECTORY).eval()
```

It reads a conversation whose last turn is the response, at most {max_tokens} tokens of it:

```python
{text}
inputs = tokenizer(text, truncation=True, max_length={max_tokens}, return_tensors="pt"{special})
raw = model(inputs.input_ids, attention_mask=inputs.attention_mask).logits
```

`calibration.json` turns the raw logit into one whose sigmoid is a chance; `RewardModel.load(DIRECTORY).logits` does
both{beyond}.
"""
_MUST_NOT = """
## Must not be used for
- judging, ranking or paying people: neither users nor those who wrote the responses;
- deciding alone what is served: its predictions are trusted as far as `loveloop ledger` says, and judges stand beside
  it;
- chances of another product, language or time than the data above, without calibrating anew;
- reading what users feel: a reaction is a click, and most of those who are content do not click.
"""

_VIEWS = """
## Open it
A frozen encoder (plain transformers opens it: `AutoModel.from_pretrained(DIRECTORY)`) under a small head:

```python
from training.reward.views_reward import ViewsReward
logits = ViewsReward.load(DIRECTORY).logits(conversations, responses)
```
"""
_TEMPLATE = 'turns = [*conversation, {"role": "assistant", "content": response}]\n'
_OWN = _TEMPLATE + "text = tokenizer.apply_chat_template(turns, tokenize=False)"
_PLAIN = (
    _TEMPLATE + "text = \"\\n\".join(f\"{n} {turn['role'].capitalize()}: {turn['content']}\" "
    "for n, turn in enumerate(turns, 1))"
)


def usage(tokenizer: Any, *, max_tokens: int, command: str | None, heads: int = 1, residual: bool = False) -> str:
    """The card's last parts, as Markdown.

    Args:
        tokenizer: Its own; with a chat template it reads conversations by that.
        max_tokens: Of a conversation.
        command: What made the model, as it is typed; None where a program did.
        heads: Columns of the raw logits.
        residual: Something is taken away from the scores.
    """
    more = [f"joins {heads} heads (their mean less caution times their standard deviation)"] if heads > 1 else []
    more += ["takes away what `residual.json` says"] if residual else []
    beyond = f", and {' and '.join(more)}: raw logits alone rank otherwise" if more else ", and the ranking is the same"
    own = bool(tokenizer.chat_template)
    opened = _USAGE.format(
        max_tokens=max_tokens,
        text=_OWN if own else _PLAIN,
        special=", add_special_tokens=False" if own else "",
        beyond=beyond,
    )
    return _made(command) + opened + _MUST_NOT


def views_usage(command: str | None) -> str:
    """The same of a small head over a frozen encoder."""
    return _made(command) + _VIEWS + _MUST_NOT


def _made(command: str | None) -> str:
    return _MADE.format(command=command or "# made by a program that called training.reward.train.train_reward_model")
