"""From a readout to the report's plain shape."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.report.schema import plain
from experiments.cohort import cohort
from experiments.evidence import LiftEvidence
from experiments.guardrails import GuardrailState
from experiments.lovers import interval_at
from experiments.plan import Plan
from experiments.readout import Readout
from experiments.secondary import Secondary

LOOKS: Final = 60
"""Points of a plot: more cannot be told apart."""
_HOUR: Final = 3_600_000_000


def experiment(found: Readout, plan: Plan, *, name: str = "", true_lift: float | None = None) -> dict[str, Any]:
    """A readout as `report.json`'s `experiment`.

    Args:
        found: The readout.
        plan: What was settled beforehand.
        name: The experiment's name.
        true_lift: By the hidden truth, where there is one.
    """
    raw = {} if found.raw is None else {"raw_lift": found.raw.lift, "raw_lift_ci": found.raw.ci}
    values = {
        "decision": found.decision,
        "reasons": found.reasons,
        "name": name,
        "lift": found.lift,
        "lift_ci": found.lift_ci,
        "anytime_ci": found.effect.anytime_ci,
        "exact_ci": found.effect.exact_ci,
        "exact_p": found.effect.exact_p,
        "srm_p": found.srm.p,
        "srm_sequential_p": found.srm.sequential_p,
        "design_effect": found.effect.design_effect,
        "exposures": found.exposures,
        "planned_exposures": plan.exposures,
        "true_lift": true_lift,
        "arms": [asdict(arm) for arm in found.arms],
        "guardrails": [_guardrail(each, found) for each in found.guardrails],
        "watched": [_guardrail(each, found) for each in found.watched],
        "evidence": _evidence(found.evidence),
        "beside": [_evidence(each, beside) for beside, each in found.beside.items()],
        "missed": found.missed,
        "metrics": [_metric(each) for each in found.secondary],
        "plan": _plan(plan),
        **raw,
    }
    converted: dict[str, Any] = plain(values)
    return converted


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "lift": plan.lift,
        "least_lift": plan.least_lift,
        "decides": plan.decides,
        "lovers": plan.lovers,
        "information": plan.information,
        "cap": plan.cap,
        "power": plan.power,
        "confidence": plan.confidence,
        "shares": dict(plan.shares),
    }


def _evidence(found: LiftEvidence, name: str = "") -> dict[str, Any]:
    kept = ("decides", "shown", "lift", "ci", "p", "information", "log_ratio", "error", "words")
    return {"name": name, **{each: getattr(found, each) for each in kept}}


def _guardrail(found: GuardrailState, of: Readout) -> dict[str, Any]:
    return {
        "name": found.name,
        "state": found.state,
        "rates": dict(zip((arm.name for arm in of.arms), found.rates, strict=True)),
        "words": found.words,
        "ratio": None if found.effect.lift is None else found.effect.lift + 1,
        "ratio_ci": found.ci,
        "counts": found.counts,
        "most": found.margin,
        "broken_at": found.broken_at and found.broken_at.isoformat(),
    }


def _metric(found: Secondary) -> dict[str, Any]:
    return {
        "name": found.metric.name,
        "title": found.metric.title or found.metric.name,
        "rates": found.rates,
        "lift": found.effect.lift,
        "ci": found.effect.anytime_ci,
        "p": found.effect.p,
        "discovered": found.discovered,
    }


def walk(users: pa.Table, plan: Plan) -> list[dict[str, Any]]:
    """The walk of first lovers at up to `LOOKS` looks, for the plot of the deciding test."""
    if plan.decides != "lovers":
        return []
    order = cohort(users, (plan.control, plan.treatment)).lovers()
    if order is None or len(order) < 2:
        return []
    share, treated = plan.shares[plan.treatment], np.cumsum(order, dtype=np.int64)
    told = []
    for many in np.unique(np.linspace(2, len(order), LOOKS).astype(int)).tolist():
        theirs = int(treated[many - 1])
        ci = interval_at(many - theirs, theirs, treatment_share=share, planned=plan.lovers, alpha=plan.alpha)
        lift = theirs / (many - theirs) * (1 - share) / share - 1 if many > theirs else None
        told.append({"lovers": many, "lift": lift, "ci": ci})
    shown: list[dict[str, Any]] = plain(told)
    return shown


def arrivals(users: pa.Table, arms: Sequence[str]) -> tuple[list[dict[str, Any]], Any]:
    """Users by arm up to each of some moments.

    Returns:
        Up to `LOOKS` moments for a plot; and the cumulative counts at all moments that differ, [moments, arms], for the
        sample-ratio check; None where the table has no first exposures.
    """
    if "first_exposure" not in users.column_names or not len(users):
        return [], None
    moments = users["first_exposure"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    # hours are looks enough: within one, the order of arms says nothing that the next hour does not
    hours = moments // _HOUR
    first = int(hours.min())
    place = pc.index_in(users["arm"].cast(pa.string()), pa.array([*arms])).to_numpy()
    each_hour = np.bincount((hours - first) * len(arms) + place, minlength=(int(hours.max()) - first + 1) * len(arms))
    new = each_hour.reshape(-1, len(arms))
    there = np.flatnonzero(new.sum(axis=1))
    counts = np.cumsum(new, axis=0)[there]
    shown = np.unique(np.linspace(0, len(there) - 1, min(LOOKS, len(there))).astype(int))
    told = [
        {
            "at": datetime.fromtimestamp((first + int(there[each]) + 1) * 3600, UTC).isoformat(),
            "users": {arm: int(counts[each, number]) for number, arm in enumerate(arms)},
        }
        for each in shown
    ]
    return told, counts
