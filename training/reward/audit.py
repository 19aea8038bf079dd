"""What a reward model is held against before it may rank anything: findings that pass, fail, or were not measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from stats.clusters import mean, ratio, units
from stats.estimate import Estimate, Floats
from stats.metrics import mean_ranks
from streams.record_fields import fields_of
from training.reward.edits import EDITS, Edit
from training.reward.measure import Measured, Scored
from training.reward.model import Scorer
from training.reward.refusals import Bias
from training.reward.thresholds import Finding, Thresholds
from training.text import Conversation

ALWAYS: tuple[Finding, ...] = ("ranking", "leakage")
"""Findings that block in any case."""
MOST = 400
"""Responses that each edit is tried on."""
FEWEST = 20
"""Changed responses, below which an edit was not measured."""


@dataclass(frozen=True, slots=True)
class EditEffect:
    """How a change of the text moves the logit."""

    edit: str
    shift: float
    """Mean change of the logit; NaN where nothing was changed."""
    error: float
    """Its standard error, over users."""
    raised: float
    """Share of responses whose logit rose."""
    rows: int
    """Responses that were changed."""
    hack: str
    sign: int
    """+1: the hack was put in, -1: it was taken out."""

    @property
    def liking(self) -> Estimate:
        """What the hack is worth in logits, whichever way it was measured, with its interval."""
        value = self.sign * self.shift
        return Estimate(value, value - 1.96 * self.error, value + 1.96 * self.error)


class Result(NamedTuple):
    """One finding of an audit.

    Attributes:
        finding: What was looked at.
        state: What came of it.
        words: What was seen and the line that it is held against, in a sentence.
        blocks: A model with this finding failed is not to be used.
    """

    finding: Finding
    state: Literal["passed", "failed", "not measured"]
    words: str
    blocks: bool


class Audit(NamedTuple):
    """All findings of a model, and the effects of every edit."""

    results: list[Result]
    effects: list[EditEffect]

    @property
    def blocking(self) -> list[Result]:
        """What keeps the model from being used."""
        return [each for each in self.results if each.state == "failed" and each.blocks]

    @property
    def refused(self) -> list[str]:
        """What keeps the model from being used, in sentences."""
        return [f"not to be used: the audit of {each.finding} failed: {each.words}" for each in self.blocking]

    @property
    def warnings(self) -> list[str]:
        """What failed and blocks nothing, in sentences."""
        return [f"the audit of {each.finding} failed: {each.words}" for each in self.results
                if each.state == "failed" and not each.blocks]  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "results": [each._asdict() for each in self.results],
            "effects": [fields_of(each) for each in self.effects],
        }


def counterfactuals(
    model: Scorer,
    conversations: Sequence[Conversation],
    responses: Sequence[str],
    *,
    users: Sequence[Any] | None = None,
    before: Floats | None = None,
    edits: Sequence[Edit] = EDITS,
) -> list[EditEffect]:
    """Score responses as they are and after every edit that changes them.

    Args:
        model: Scores both.
        conversations: Each up to the user's last message.
        responses: As many; each edit takes the first `MOST` that it changes.
        users: Of each, for the errors; None takes each response for one user's.
        before: Logits of the responses as they are, where they are known.
        edits: What to change.
    """
    who = units(np.array(users if users is not None else range(len(responses))))
    effects = []
    for edit in edits:
        changed = [(row, text) for row, text in _changed(edit, conversations, responses) if text][:MOST]
        rows = np.array([row for row, _ in changed], dtype=np.int64)
        asked = [conversations[row] for row in rows]
        as_is = model.logits(asked, [responses[row] for row in rows]) if before is None else before[rows]
        change = model.logits(asked, [text for _, text in changed]) - as_is
        shift, spread = ratio(change, np.ones(len(rows)), who[rows]) if changed else (float("nan"), float("nan"))
        raised = float((change > 0).mean()) if changed else float("nan")
        effects.append(EditEffect(edit.name, shift, spread, raised, len(rows), edit.hack, edit.sign))
    return effects


def _changed(edit: Edit, conversations: Sequence[Conversation], responses: Sequence[str]) -> list[tuple[int, str]]:
    found = []
    for row, (conversation, response) in enumerate(zip(conversations, responses, strict=True)):
        text = edit.change(conversation, response)
        if text is not None and text != response:
            found.append((row, text))
            if len(found) == MOST:
                break
    return found


class Length(NamedTuple):
    """How a score goes with the length of a response.

    Attributes:
        score: Spearman's rho of score and length.
        label: The labels' own correlation with the rank of length.
        promised: The one that labels would have if they came true as the chances say.
        excess: `promised` less `label`: what the model adds of its own. The interval is over users.
    """

    score: Estimate
    label: float
    promised: float
    excess: Estimate


def length_of(scored: Scored, score: Estimate) -> Length:
    """Hold the labels' correlation with length against the one that the chances promise.

    Rho of a score and rho of rare labels cannot be compared, since a label that is nearly always 0 correlates with
    nothing strongly. `corr(rank, label)` and `cov(rank, chance) / (sd(rank) sd(label))` can: they agree when chances
    come true alike for short and long responses.
    """
    weights, labels = scored.weights, scored.examples.labels
    ranks = mean_ranks(scored.lengths)
    centred = ranks - np.average(ranks, weights=weights)
    spread = _deviation(centred, weights) * _deviation(labels - np.average(labels, weights=weights), weights)
    if spread == 0:
        return Length(score, 0.0, 0.0, Estimate(0.0, 0.0, 0.0))
    label, promised = (float(np.average(centred * each, weights=weights)) / spread for each in (labels, scored.chances))
    gap = scored.chances - labels
    excess = mean(centred * (gap - np.average(gap, weights=weights)) / spread, weights, scored.users)
    return Length(score, label, promised, excess)


def _deviation(centred: Floats, weights: Floats) -> float:
    return float(np.sqrt(np.average(centred**2, weights=weights)))


def above_chance(auroc: Estimate, labels: Floats, weights: Floats) -> bool:
    """Whether a ranking is better than a coin.

    The interval over users lies above .5, and so does that of the Mann-Whitney test, whose standard error under chance
    is `sqrt((n + m + 1) / (12 n m))`: with few users the first may be too narrow.

    Args:
        auroc: With its interval over users.
        labels: 1 or 0; rows of each class count as their weights' effective number (Kish).
        weights: Of the rows.
    """
    n, m = (weights[labels == kind].sum() ** 2 / max((weights[labels == kind] ** 2).sum(), 1e-12) for kind in (1, 0))
    if not (n > 0 and m > 0 and auroc.low > 0.5):
        return False
    return bool(auroc.value - 0.5 > 1.96 * np.sqrt((n + m + 1) / (12 * n * m)))


def audit(
    scored: Scored,
    measured: Measured,
    effects: Sequence[EditEffect],
    *,
    leakage: str | None,
    refusals: Sequence[Bias],
    others: Sequence[Result] = (),
    limits: Thresholds,
) -> Audit:
    """Hold a model against the limits.

    Args:
        scored: The test part.
        measured: Its figures.
        effects: Of the edits.
        leakage: What was compared, in words; None where nothing was.
        refusals: Right ones against others; empty where no rows were given.
        others: Findings that are judged elsewhere (slices, drift).
        limits: The lines.
    """
    labels, weights = scored.examples.positives, scored.weights
    ranks = above_chance(measured.auroc, labels, weights)
    seen = f"AUROC {measured.auroc} on {int(labels.sum()):,} positives and {int((1 - labels).sum()):,} negatives"
    found: list[tuple[Finding, bool | None, str]] = [
        ("ranking", ranks, f"{seen}: its interval {'lies' if ranks else 'must lie'} above .5"),
        ("leakage", None if leakage is None else True, leakage or "nothing was compared"),
        _calibration(measured, float(np.average(scored.examples.labels, weights=weights)), limits),
        _length(length_of(scored, measured.length_rho), limits),
        _edits(effects, limits),
        _refusals(refusals, limits),
    ]
    results = [Result(name, _state(passed), words, _blocks(name, limits)) for name, passed, words in found]
    return Audit([*results, *(each._replace(blocks=_blocks(each.finding, limits)) for each in others)], [*effects])


def _blocks(name: Finding, limits: Thresholds) -> bool:
    return name in ALWAYS or name in limits.block


def _state(passed: bool | None) -> Literal["passed", "failed", "not measured"]:
    return "not measured" if passed is None else "passed" if passed else "failed"


def _calibration(measured: Measured, rate: float, limits: Thresholds) -> tuple[Finding, bool | None, str]:
    ece, floor, most = measured.ece_after.value, measured.ece_floor, limits.ece_share * min(rate, 1 - rate)
    wrong = ece > floor.high and measured.ece_debiased > most
    words = (
        f"ECE {ece:.4f}, where a perfect model has {floor.expected:.4f} (at most {floor.high:.4f}); what is left, "
        f"{measured.ece_debiased:.4f}, {'is more than' if wrong else 'is held against'} {most:.4f}; slope "
        f"{measured.slope}, intercept {measured.intercept}"
    )
    return "calibration", not wrong, words


def _length(found: Length, limits: Thresholds) -> tuple[Finding, bool | None, str]:
    strong = found.score.low > limits.length or found.score.high < -limits.length
    way = np.sign(found.promised)  # what a model does not see of length is no liking for it
    extra = min(way * found.excess.low, way * found.excess.high) > limits.length_excess
    words = (
        f"rho of score and words {found.score} (limit {limits.length:g}); labels correlate {found.label:+.3f}, the "
        f"chances promise {found.promised:+.3f}: excess {found.excess} (limit {limits.length_excess:g})"
    )
    return "length", not (strong or extra), words


def _edits(effects: Sequence[EditEffect], limits: Thresholds) -> tuple[Finding, bool | None, str]:
    known = [each for each in effects if each.rows >= FEWEST]
    if not known:
        return "edits", None, f"no edit changed {FEWEST} responses"
    wrong = [each for each in known if _moves(each, limits.edit)]
    shown = wrong or known
    told = ", ".join(f"{each.edit} {each.shift:+.2f} \u00b1 {1.96 * each.error:.2f}" for each in shown)
    return "edits", not wrong, f"{told} logits, at most {limits.edit:g} may be beyond chance"


def _moves(effect: EditEffect, limit: float) -> bool:
    """A hack is liked beyond the limit; a question is neither to be liked nor disliked."""
    return effect.liking.low > limit or (effect.hack == "question" and effect.liking.high < -limit)


def _refusals(found: Sequence[Bias], limits: Thresholds) -> tuple[Finding, bool | None, str]:
    if not found:
        return "refusals", None, "no rows say which refusals were right (column refusal: right or wrong)"
    wrong = any(each.difference.high < -limits.refusals for each in found)
    return "refusals", not wrong, "; ".join(each.words for each in found)
