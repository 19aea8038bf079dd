"""The published hack, computed: what a naive model of love makes of needless closings, beside what they truly do.

Happy users give more hearts, whatever is said, and the incumbent says goodbye to them more often. A model that sees the
text, but not the mood, takes the goodbye for the cause.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from streams.synthetic.language.talk import draw_talk, draw_turns
from streams.synthetic.language.text import INCUMBENT
from streams.synthetic.language.vocabulary import KINDS
from streams.synthetic.truth import formulas

Floats = NDArray[np.float64]

_TRAITS = (
    "right",
    "warm",
    "apt",
    "flippant",
    "asks_back",
    "emoji",
    "flatters",
    "false_refusal",
    "right_refusal",
    "complies",
    "evades",
)


class ClosingEffect(NamedTuple):
    """Logits of love that a needless closing adds.

    Attributes:
        naive: By a logistic regression of love on what the text shows, with one feature for saying goodbye.
        careful: By one that also knows whether the user had closed.
        true: In truth, the same words with and without it.
    """

    naive: float
    careful: float
    true: float


def closing_effect(conversations: int = 60_000, seed: int = 1) -> ClosingEffect:
    """What regressions say of needless closings, and what they do.

    The regressions are fitted to each response's exact chance of a heart, given its text and whether it closes
    needlessly (which tells of the mood, by Bayes), so that no luck of the draw is left in the loves.

    Args:
        conversations: Of the incumbent's log, drawn from the grammar.
        seed: The only source of chance.
    """
    rng = np.random.default_rng(seed)
    talk = draw_talk(rng, draw_turns(rng, conversations))
    readings = formulas.read(talk.conversations, talk.responses)
    shown = formulas.happy_chance(talk.conversations)
    when_happy, otherwise = INCUMBENT.closes_happy * shown, INCUMBENT.closes_otherwise * (1 - shown)
    happy = np.where(readings.closes_needlessly, when_happy / (when_happy + otherwise), shown)
    loved = formulas.expected_love(readings, happy)
    context = [
        *(getattr(readings, name) for name in _TRAITS),
        *(readings.kind == kind for kind in range(1, len(KINDS))),
    ]
    context += [logit(shown), readings.words / 10, np.ones(len(readings))]
    aware = [readings.closes_needlessly, readings.closing_honest]
    naive, careful = (_fit(np.column_stack([*closing, *context]), loved) for closing in ([readings.closes], aware))
    return ClosingEffect(float(naive[0]), float(careful[0]), _true_effect(talk.conversations, talk.responses, shown))


def _true_effect(conversations: Sequence[formulas.Conversation], responses: Sequence[str], happy: Floats) -> float:
    """Mean change of the logit of love when a goodbye is appended to responses that have none."""
    plain = formulas.read(conversations, responses)
    closed = formulas.read(conversations, [f"{response} bye!" for response in responses])
    fair = plain.fluent & closed.fluent & ~plain.closes & closed.closes_needlessly
    before, after = (logit(formulas.expected_love(readings, happy)[fair]) for readings in (plain, closed))
    return float(np.mean(after - before))


def _fit(features: NDArray[np.float64], chance: Floats) -> Floats:
    """Coefficients of a logistic regression on chances, by Newton's method with a ridge of .001."""
    table = features.astype(np.float64)
    ridge = 1e-3 * np.eye(table.shape[1])
    weights = np.zeros(table.shape[1])
    for _ in range(40):
        fitted = expit(table @ weights)
        slope = table.T @ (chance - fitted) - ridge @ weights
        step = np.linalg.solve((table.T * (fitted * (1 - fitted))) @ table + ridge, slope)
        weights += step * min(1.0, 3 / np.abs(step).max())
        if np.abs(step).max() < 1e-6:
            break
    return weights
