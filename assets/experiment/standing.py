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

    Returns:
        `experiments`; and `unreadable`, the `name`, `state`, `since` and `why` of those whose definition this version
        cannot read.

    Raises:
        ValueError: There is no such experiment.
        WarehouseError: As `Warehouse.read`.
    """
    from warehouse import pulse

    found, unreadable = control.all_planned(target) if name is None else ([control.registered(target, name)], [])
    tripped = pulse.trips(target) if found else []
    return {
        "experiments": [_one(target, each, tripped, trail=name is not None) for each in found],
        "unreadable": [
            {"name": each.name, "state": each.action, "since": each.since.isoformat(), "why": each.why}
            for each in unreadable
        ],
    }


def _one(target: "Target", found: "Registered", tripped: list[dict[str, Any]], *, trail: bool) -> dict[str, Any]:
    from warehouse import experiments

    read = experiments.readouts(target, found.name)
    last = read[-1] if read else None
    return {
        **_definition(found),
        "decision": last.readout.get("verdict", last.decision) if last else None,
        "read_at": last.read_at.isoformat() if last else None,
        "reason": (last.readout.get("reasons") or [""])[0] if last else None,
        "tripped": [each for each in tripped if each["experiment"] == found.name],
        "reestimate": (last.readout.get("reestimate") or {}).get("words") if last and found.running else None,
        "changes": [change(each) for each in found.changes] if trail else [],
    }


def _definition(found: "Registered") -> dict[str, Any]:
    of = found.definition
    return {
        "name": found.name,
        "state": found.action,
        "running": found.running,
        "since": found.changes[-1].changed_at.isoformat(),
        "reach": of.reach,
        "coverage": of.coverage,
        "treated": of.treated(),
        "arms": dict(of.arms),
        "control": of.control,
        "namespace": of.namespace,
        "range": [of.start, of.end],
        "bundles": {arm: {"policy": each.policy, "digest": each.digest} for arm, each in of.bundles.items()},
        "lift": of.lift,
        "decides": of.decides,
    }


def changed(found: "Registered") -> dict[str, Any]:
    """An experiment after a change of it as JSON values: as in `standing`, and `line`, one sentence."""
    return {**_definition(found), "changes": [change(each) for each in found.changes], "line": line(found)}


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
    if not found["experiments"] and not found["unreadable"]:
        yield "no experiment was planned yet: loveloop experiment plan NAME begins one"
        return
    rows = [("experiment", "state", "since", "in the test", "treated", "arms", "last decision")]
    for each in found["experiments"]:
        arms = ", ".join(f"{arm}={each['bundles'].get(arm, {}).get('policy', '-')}" for arm in each["arms"])
        shares = (_covered(each["coverage"], each["reach"]), f"{each['treated']:.1%}")
        rows.append(
            (each["name"], _said(each["state"]), _minute(each["since"]), *shares, arms, each["decision"] or "-")
        )
    for each in found["unreadable"]:
        rows.append((each["name"], "UNREADABLE", _minute(each["since"]), "-", "-", "-", "-"))
    yield from words.table(rows)
    for each in found["unreadable"]:
        yield f"  {each['name']} cannot be read, and is served to nobody: {each['why']}"
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
        if each["reestimate"]:
            yield f"from here    {each['reestimate']}"
        rows = [("changed", "by", "what", "in the test", "why")]
        for made in each["changes"]:
            covered = _covered(made["coverage"], each["reach"])
            rows.append((_minute(made["at"]), made["by"], _said(made["action"]), covered, made["why"] or "-"))
        yield from words.table(rows)


def line(found: "Registered") -> str:
    """One sentence on what a change has done."""
    of = found.definition
    served = ", ".join(f"{arm} serves {each.policy}" for arm, each in control.bundles(of))
    users = "the users" if of.reach == 1 else f"the experiment's users ({of.reach:.3g} of all)"
    whom = f"{of.coverage:.0%} of {users} are in the test ({of.treated():.1%} of all users treated)"
    if not found.running:
        whom = f"everybody is served {of.bundles[of.control].policy}" if of.control in of.bundles else "nobody is in it"
    return f"{found.name} is {_said(found.action)}: {whom}{f'; {served}' if found.running else ''}"


def _covered(coverage: float, reach: float) -> str:
    """Of the users whom an experiment may have, how many are in the test; where it may not have all, of how many."""
    return f"{coverage:.0%}" if reach == 1 else f"{coverage:.0%} of {reach:.0%}"


def _said(action: str) -> str:
    return action.replace("_", " ")


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
