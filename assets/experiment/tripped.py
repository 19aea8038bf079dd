"""Guardrails that an earlier reading found broken: they stay so, and the trail of readings says since when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.plan import Plan
    from warehouse.experiments import StoredReadout


def broken(history: "Sequence[StoredReadout]", plan: "Plan") -> dict[str, datetime]:
    """When each guardrail was first found broken, by what people call it.

    A reading counts where it compared the same two arms by the same margin, and was not void: where the arms lack
    users, nothing but that is read.

    Args:
        history: Earlier readings, oldest first.
        plan: What this reading is held against.
    """
    margins = {each.title or each.name: each.margin for each in (*plan.must_hold, *plan.watched)}
    found: dict[str, datetime] = {}
    for each in history:
        if each.decision == "invalid" or (each.readout.get("control"), each.readout.get("treatment")) != (
            plan.control,
            plan.treatment,
        ):
            continue
        for guardrail in _guardrails(each.readout):
            name = guardrail["name"]
            if guardrail["state"] == "broken" and guardrail.get("most") == margins.get(name, object()):
                found.setdefault(name, each.read_at)
    return found


def date(facts: Mapping[str, Any], moment: datetime) -> None:
    """Note in a reading the moment at which a guardrail was found broken, where it is this reading that found it."""
    for guardrail in _guardrails(facts):
        if guardrail["state"] == "broken" and guardrail["broken_at"] is None:
            guardrail["broken_at"] = moment.isoformat()


def _guardrails(readout: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*readout.get("guardrails", ()), *readout.get("watched", ())]
