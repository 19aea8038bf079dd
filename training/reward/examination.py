"""All that is found out about a model after its fit: figures, slices, weeks, audit."""

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from training.reward.audit import Audit, audit, counterfactuals
from training.reward.config import RewardConfig
from training.reward.data import Examples
from training.reward.drift import Weeks, drift, unseen
from training.reward.groups import groups_of
from training.reward.leakage import Leakage
from training.reward.measure import Measured, Scored, measure
from training.reward.model import Scorer
from training.reward.refusals import Bias, Kind, refusal_bias
from training.reward.sampling import evaluation_rows
from training.reward.slices import Slice, slices_of, slices_result
from training.reward.split import Split

REFUSAL = "refusal"
"""Optional column of the examples: `right`, `wrong`, `compliance` (with what should be refused), or null."""
_KINDS = {"right": "right refusal", "wrong": "wrong refusal", "compliance": "compliance"}


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found out about a model."""

    held: Examples
    """The test rows that were scored."""
    measured: Measured
    slices: list[Slice]
    weeks: Weeks
    audit: Audit


def examine(
    model: Scorer,
    table: Any,
    every: Examples,
    parts: Split,
    *,
    leakage: Leakage,
    by: Literal["users", "conversations"],
    config: RewardConfig,
    name: str,
) -> Examination:
    """Score rows that the model has not seen, and hold it against the limits of its audit.

    Args:
        model: Calibrated.
        table: The pyarrow Table of examples, whose optional columns make slices.
        every: The same, read.
        parts: Their split.
        leakage: What was compared before the fit.
        by: What the split kept apart.
        config: The dials; its `audit` holds the limits.
        name: For the progress bars.
    """
    limits = config.audit
    found = evaluation_rows(every.labels[parts.test], config.evaluation_rows, config.seed)
    scored = Scored.of(model, every.take(parts.test), found, progress=f"{name}: test")
    rows = parts.test[found.rows]
    measured = measure(scored, seed=config.seed)
    slices = slices_of(scored, groups_of(table, every, rows, by=by), least=limits.slice_rows)
    weeks = _weeks(model, every, parts, config, name)
    held = scored.examples
    spread = np.random.default_rng(config.seed).permutation(len(rows)).tolist()
    effects = counterfactuals(
        model,
        [held.conversations[row] for row in spread],
        [held.responses[row] for row in spread],
        users=held.users[spread].tolist(),
        before=scored.logits[spread],
    )
    results = [slices_result(slices, limits), weeks.result]
    made = audit(
        scored,
        measured,
        effects,
        leakage=leakage.sentence,
        refusals=_refusals(scored, table, rows),
        others=results,
        limits=limits,
    )
    return Examination(held, measured, slices, weeks, made)


def _weeks(model: Scorer, every: Examples, parts: Split, config: RewardConfig, name: str) -> Weeks:
    """Weeks of unseen users, sampled as the test part is."""
    part = every.take(unseen(every, parts))
    found = evaluation_rows(part.labels, config.evaluation_rows, config.seed)
    return drift(Scored.of(model, part, found, progress=f"{name}: weeks"), config.audit)


def _refusals(scored: Scored, table: Any, rows: Any) -> list[Bias]:
    if REFUSAL not in table.column_names:
        return []
    told = table[REFUSAL].take(rows.tolist()).to_pylist()
    unknown = sorted({str(each) for each in told if each is not None and each not in _KINDS})
    if unknown:
        raise ValueError(f"refusal is {unknown[0]!r} in some rows, must be {', '.join(_KINDS)} or null")
    prompts = [str(turns[-1]["content"]) for turns in scored.examples.conversations]
    kinds = [cast("Kind | None", _KINDS.get(each)) for each in told]
    return refusal_bias(scored.logits, kinds, prompts)
