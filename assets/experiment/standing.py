"""How experiments stand: who is served what, what the last reading said, which arms have tripped, who changed what."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from assets.experiment import control, words

if TYPE_CHECKING:
    from assets.experiment.control import Registered
    from warehouse.connection import Target
    from warehouse.experiment_registry import Change


def standing(target: "Target", name: str | None = None) -> dict[str, Any]:
    """Every experiment that was planned, or one with its audit trail, as JSON values.

    Raises:
        ValueError: There is no such experiment.
        WarehouseError: As `Warehouse.read`.
    """
    from warehouse import pulse

    found = control.every(target) if name is None else [control.registered(target, name)]
    tripped = pulse.trips(target) if found else []
    return {"experiments": [_one(target, each, tripped, trail=name is not None) for each in found]}


def _one(target: "Target", found: "Registered", tripped: list[dict[str, Any]], *, trail: bool) -> dict[str, Any]:
    from warehouse import experiments

    of, read = found.definition, experiments.readouts(target, found.name)
    last = read[-1] if read else None
    return {
        "name": found.name,
        "state": found.action,
        "running": found.running,
        "since": found.changes[-1].changed_at.isoformat(),
        "coverage": of.coverage,
        "treated": of.treated(),
        "arms": dict(of.arms),
        "control": of.control,
        "namespace": of.namespace,
        "range": [of.start, of.end],
        "bundles": {arm: {"policy": each.policy, "digest": each.digest} for arm, each in of.bundles.items()},
        "lift": of.lift,
        "decides": of.decides,
        "decision": last.readout.get("verdict", last.decision) if last else None,
        "read_at": last.read_at.isoformat() if last else None,
        "reason": (last.readout.get("reasons") or [""])[0] if last else None,
        "tripped": [each for each in tripped if each["experiment"] == found.name],
        "changes": [change(each) for each in found.changes] if trail else [],
    }


def change(each: "Change") -> dict[str, Any]:
    """One row of the audit trail as JSON values."""
    of = each.definition
    return {
        "at": each.changed_at.isoformat(),
        "by": each.changed_by,
        "action": each.action,
        "why": each.why,
        "coverage": of.get("coverage", 0.0),
    }


def page(found: Mapping[str, Any]) -> Iterator[str]:
    """It line by line."""
    if not found["experiments"]:
        yield "no experiment was planned yet: loveloop experiment plan NAME begins one"
        return
    rows = [("experiment", "state", "since", "in the test", "treated", "arms", "last decision")]
    for each in found["experiments"]:
        arms = ", ".join(f"{arm}={each['bundles'].get(arm, {}).get('policy', '-')}" for arm in each["arms"])
        shares = (f"{each['coverage']:.0%}", f"{each['treated']:.1%}")
        rows.append(
            (each["name"], _said(each["state"]), _minute(each["since"]), *shares, arms, each["decision"] or "-")
        )
    yield from words.table(rows)
    for each in found["experiments"]:
        yield from _details(each)


def _details(each: Mapping[str, Any]) -> Iterator[str]:
    for trip in each["tripped"]:
        said = f"tripped by {trip['metric']}: take it out with loveloop experiment rollback"
        yield f"  {each['name']}/{trip['arm']} {said}"
    if each["changes"]:
        yield ""
        if each["reason"]:
            yield f"last reading {_minute(each['read_at'])}: {each['reason']}"
        rows = [("changed", "by", "what", "in the test", "why")]
        for made in each["changes"]:
            covered = f"{made['coverage']:.0%}"
            rows.append((_minute(made["at"]), made["by"], _said(made["action"]), covered, made["why"] or "-"))
        yield from words.table(rows)


def line(found: "Registered") -> str:
    """One sentence on what a change has done."""
    of = found.definition
    served = ", ".join(f"{arm} serves {each.policy}" for arm, each in control.bundles(of))
    whom = f"{of.coverage:.0%} of the users are in the test ({of.treated():.1%} of all users treated)"
    if not found.running:
        whom = f"everybody is served {of.bundles[of.control].policy}" if of.control in of.bundles else "nobody is in it"
    return f"{found.name} is {_said(found.action)}: {whom}{f'; {served}' if found.running else ''}"


def _said(action: str) -> str:
    return action.replace("_", " ")


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
