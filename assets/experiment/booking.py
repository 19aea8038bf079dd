"""Predicted beside measured: the lift ledger's row of a reading, where the treatment is a staged candidate."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.ledger import Row
    from warehouse.candidates import StagedCandidate
    from warehouse.connection import Target

Facts = dict[str, Any]


def book(target: "Target", facts: Facts, staged: "list[StagedCandidate]", *, write: bool) -> Facts:
    """Predicted beside measured, by the interval that decides; a void comparison measures nothing."""
    from experiments import ledger
    from warehouse import candidates, queries

    served = facts["policies"].get(facts["treatment"], [])
    found = candidates.find(staged, served[0]) if len(served) == 1 else None
    if found is None or found.predicted_lift is None:
        return _unpredicted(served, found)
    void = facts["decision"] == "invalid"
    low, high = (None, None) if void else facts["anytime_ci"]
    row = ledger.row(
        found.name,
        predicted_lift=found.predicted_lift,
        measured_lift=None if void else facts["lift"],
        measured_ci=(low, high),
        experiment=facts["name"],
        day=datetime.fromisoformat(facts["read_at"]).date(),
        failed=failed_gates(found),
        one_look=(None, None) if void else facts["lift_ci"],
    )
    write = write and (void or row.measured_lift is not None or not _measured(target, row))
    if write:
        queries.append_ledger(target, row._asdict())
    predicted: Facts = {
        "predicted_lift": found.predicted_lift,
        "predicted_ci": [found.predicted_low, found.predicted_high],
    }
    words = ledger.agreement(queries.ledger(target)).words
    kept = row._asdict() | {"date": row.date.isoformat(), "failed": list(row.failed)}
    predicted |= {"failed_gates": list(row.failed)}
    return {"candidate": found.name, **predicted, "ledger": kept if write else None, "ledger_words": words}


def failed_gates(staged: "StagedCandidate") -> tuple[str, ...]:
    """Names of the gates that a candidate had failed when it was staged; earlier versions did not note them."""
    return tuple(staged.lineage.get("failed_gates", ()))


def _measured(target: "Target", row: "Row") -> bool:
    """Whether an earlier reading measured the lift: one without exposures, as with a longer wait, knows no better."""
    from warehouse import queries

    same = (row.candidate, row.experiment)
    kept = [each for each in queries.ledger(target) if (each["candidate"], each["experiment"]) == same]
    return any(each.get("measured_lift") is not None for each in kept)


def _unpredicted(served: list[str], found: "StagedCandidate | None") -> Facts:
    """Why no row of the ledger was written, and what makes one."""
    if len(served) > 1:
        words = f"the treatment was served by {len(served)} policies ({', '.join(served)}), a prediction is for one"
        words += ": serve the next policy under an experiment of its own"
    elif found is not None:
        words = f"candidate {found.name} was staged without a predicted lift: loveloop run stages one with it"
    elif served:
        words = f"no candidate {served[0]!r} was staged in this warehouse: serve what `loveloop run` stages from it, "
        words += "under the candidate's name as `policy`"
    else:
        words = "the treatment was not served yet"
    nothing: Facts = {"predicted_lift": None, "predicted_ci": [None, None], "ledger": None}
    nothing["failed_gates"] = list(failed_gates(found)) if found else []
    return {"candidate": found.name if found else None, **nothing, "ledger_words": f"not written: {words}"}
