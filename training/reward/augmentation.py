"""Counterfactual augmentation: a response once more with something behind it that should not matter, label unchanged.

What buys love in the log only because happy users see it more often (a goodbye, flattery, an emoji) then stands as
often behind what nobody loved (docs/method.md, 7.6).
"""

from dataclasses import replace

import numpy as np

from training.reward.data import Examples
from training.reward.edits import EDITS

ADDED = tuple(each for each in EDITS if each.sign > 0 and each.hack != "question")
"""A question back may be what people truly like; goodbyes, flattery and emoji behind an answer are not."""


def augmented(examples: Examples, share: float, random: np.random.Generator) -> Examples:
    """The rows, and behind them a share of them once more, each with one of `ADDED` drawn for it.

    Args:
        examples: What an epoch drew.
        share: Of its rows, in [0, 1].
        random: Draws rows and edits.
    """
    rows = np.flatnonzero(random.random(len(examples.labels)) < share)
    drawn = random.integers(0, len(ADDED), len(rows)).tolist()
    again = examples.take(rows)
    responses = []
    for edit, conversation, own in zip(drawn, again.conversations, again.responses, strict=True):
        changed = ADDED[edit].change(conversation, own)
        responses.append(own if changed is None else changed)
    both = examples.take(np.concatenate([np.arange(len(examples.labels)), rows]))
    return replace(both, responses=[*examples.responses, *responses])
