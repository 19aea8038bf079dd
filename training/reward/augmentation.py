"""Counterfactual augmentation: a response once more with something behind it that should not matter, label unchanged.

What buys love in the log only because happy users see it more often (a goodbye, flattery, an emoji) then stands as
often behind what nobody loved (docs/method.md, 7.6).
"""

import numpy as np

from training.reward.audit import EDITS
from training.reward.data import Examples


def augmented(examples: Examples, share: float, random: np.random.Generator) -> Examples:
    """The rows, and behind them a share of them once more, each with one of `EDITS` drawn for it.

    Args:
        examples: What an epoch drew.
        share: Of its rows, in [0, 1].
        random: Draws rows and edits.
    """
    rows = np.flatnonzero(random.random(len(examples.labels)) < share)
    edits = [*EDITS.values()]
    drawn = random.integers(0, len(edits), len(rows))
    again = examples.take(rows)
    responses = [edits[edit](response) for edit, response in zip(drawn, again.responses, strict=True)]
    both = zip(examples[2:], again[2:], strict=True)
    return Examples(
        [*examples.conversations, *again.conversations],
        [*examples.responses, *responses],
        *(np.concatenate(each) for each in both),
    )
