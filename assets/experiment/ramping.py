"""A ramp's next step: read the experiment out, hold the checks against the rule, and do what it says."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.experiment import control, reading, routes, standing

if TYPE_CHECKING:
    from assets.experiment.control import Registered
    from assets.experiment.definition import Definition
    from experiments.ramp import Checks, Ramp
    from warehouse.connection import Target


def advance(
    target: "Target", name: str, *, by: str, why: str = "", share: float | None = None, grow: bool = True
) -> dict[str, Any]:
    """Take the next step of a running experiment's ramp.

    1. Read it out, where there is anything to read.
    2. Stop it, or take everybody back to the control, where a check says so.
    3. Else widen it by one stage once this one has had its time; or to `share`, where that is asked for.

    Args:
        target: The warehouse.
        name: A running experiment.
        by: Who asks.
        why: In their words; the rule's own reason is noted with it.
        share: Of all users, for the treatment, in place of the next stage.
        grow: Widen it; without that only harm is acted on.

    Returns:
        `name`, `action` (advance, hold, stop or rollback), `why`, `coverage` and `treated` from now on, and the
        `reading`, None before the first exposure.

    Raises:
        ValueError: It is not running, has several treatments, or a share that its arms cannot give.
        WarehouseError: As `Warehouse.transaction`.
    """
    from experiments.ramp import next_step

    before = control.registered(target, name)
    if not before.running:
        how = "loveloop experiment start serves it" if before.action == "planned" else "plan another to test again"
        raise ValueError(f"experiment {name!r} is {before.action}, must be running: {how}")
    _refuse_several(before)
    read = _reading(target, name)
    state = _state(before.definition)
    step = next_step(state, _checks(target, before, read))
    reason = f"{step.why}{f' ({why})' if why else ''}"
    action, after = step.action, before
    if step.action == "rollback":
        after = control.roll_back(target, name, by=by, why=reason)
    elif step.action == "stop":
        after = control.stop(target, name, by=by, why=reason)
    elif share is not None:
        _refuse_narrower(before.definition, share)
        after = control.cover(target, name, control.covering(before.definition, share), by=by, why=why or "asked for")
        action, reason = "advance", f"asked for: on to {share:.3g} of all users"
    elif step.action == "advance" and grow:
        after = control.cover(target, name, step.coverage, by=by, why=reason)
    elif step.action == "advance":
        action, reason = "hold", f"{step.why}; loveloop experiment ramp {name} takes it there"
    of = after.definition
    return {
        "name": name,
        "action": action,
        "why": reason,
        "coverage": of.coverage,
        "treated": of.treated(),
        "line": standing.line(after),
        "reading": read,
    }


def follow(target: "Target") -> None:
    """Write the routes, where LOVELOOP_ROUTES names their file, so that whoever serves follows what was decided."""
    if file := os.environ.get("LOVELOOP_ROUTES"):
        routes.write_routes(target, Path(file))


def _refuse_several(before: "Registered") -> None:
    several = before.definition.treatments
    if len(several) > 1:
        raise ValueError(
            f"experiment {before.name!r} has the treatments {', '.join(several)}, and a ramp's step reads one: start "
            "such a test at its whole width (start --coverage), read each pair (read --treatment ARM), and take it out "
            f"with loveloop experiment rollback {before.name}"
        )


def _reading(target: "Target", name: str) -> dict[str, Any] | None:
    from warehouse.experiments import experiments

    return reading.read(target, name) if experiments(target, name=name) else None


def _state(of: "Definition") -> "Ramp":
    from experiments.ramp import Ramp

    reached = sum(control.covering(of, stage) <= of.coverage + 1e-9 for stage in of.stages)
    return Ramp(
        stages=of.stages,
        # a coverage below the first stage was asked for at the start: it counts as the first
        at=max(1, reached),
        treatment_share=1 - of.arms[of.control],
        least_hours=of.stage_hours,
        ended=of.ended,
    )


def _checks(target: "Target", before: "Registered", read: Mapping[str, Any] | None) -> "Checks":
    from experiments.ramp import Checks
    from warehouse import pulse

    since = before.changes[-1].changed_at
    trips = [each for each in pulse.trips(target) if each["experiment"] == before.name]
    guards = {each["name"]: each["state"] for each in (read or {}).get("guardrails", ())}
    watched = {each["name"]: each["state"] for each in (read or {}).get("watched", ()) if each["state"] == "broken"}
    return Checks(
        # the change may have been noted by a machine whose clock is ahead of this one's
        hours=max(0.0, (datetime.now(UTC) - since).total_seconds() / 3600),
        exposures=pulse.served_since(target, before.name, since),
        srm_passed=read is None or read["decision"] != "invalid",
        tripped=tuple(f"{each['arm']} by {each['metric']}" for each in trips),
        guardrails=guards | watched,
        decision=read["decision"] if read else None,
    )


def _refuse_narrower(of: "Definition", share: float) -> None:
    most = 1 - of.arms[of.control]
    if share > most + 1e-9:
        raise ValueError(f"--to {share:g}: the treatment has {most:.0%} of the users in the test, and cannot have more")
    if control.covering(of, share) < of.coverage - 1e-9:
        raise ValueError(
            f"--to {share:g}: {of.coverage * most:.3g} of the users are treated, and a ramp only grows; "
            "loveloop experiment rollback takes them all out"
        )


def page(taken: Mapping[str, Any]) -> Iterator[str]:
    """It line by line."""
    yield f"{taken['action']}: {taken['why']}"
    yield taken["line"]
    if taken["reading"]:
        yield f"reading      {taken['reading']['summary']}"
