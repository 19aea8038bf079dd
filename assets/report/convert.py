"""From a readout to the report's plain shape."""

from typing import Any

from assets.report.schema import plain
from experiments.plan import Plan
from experiments.readout import Readout


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
        "arms": [arm._asdict() for arm in found.arms],
        "guardrails": [_guardrail(guarded._asdict()) for guarded in found.guardrails],
        **raw,
    }
    converted: dict[str, Any] = plain(values)
    return converted


def _guardrail(values: dict[str, Any]) -> dict[str, Any]:
    seen = values.pop("ratio")
    return {**values, "ratio": seen.value, "ratio_ci": seen.ci, "counts": seen.counts}
