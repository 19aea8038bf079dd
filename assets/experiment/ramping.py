"""A ramp's next step: read the experiment out, hold the checks against the rule, and do what it says."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.experiment import control, reading, routes, standing

if TYPE_CHECKING:
    from assets.experiment.control import Registered
    from assets.experiment.definition import Definition
    from experiments.guardrails import State
    from experiments.ramp import Checks, Ramp
    from warehouse.connection import Target


def advance(
    target: "Target", name: str, *, by: str, why: str = "", share: float | None = None, grow: bool = True
) -> dict[str, Any]:
    """Take the next step of a running experiment's ramp.

    1. Read it out, each treatment against the control, where there is anything to read.
    2. Stop it, or take everybody back to the control, where a check of any treatment says so: arms stay as they were
       dealt, so that one treatment alone cannot be taken out.
    3. Else widen it by one stage once this one has had its time; or to `share`, where that is asked for.

    Harm is acted on whatever others do meanwhile. It is widened only from the stage that was looked at: where somebody
    else has changed it since, theirs stands, and this step is refused.

    Args:
        target: The warehouse.
        name: A running experiment.
        by: Who asks.
        why: In their words; the rule's own reason is noted with it.
        share: Of the users whom the experiment may have, for its treatments together, in place of the next stage.
        grow: Widen it; without that only harm is acted on.

    Returns:
        `name`, `action` (advance, hold, stop or rollback), `why`, `coverage` and `treated` from now on; `readings`, one
        for each treatment, none before the first exposure; and `reading`, the first of them or None.

    Raises:
        ValueError: It is not running, or a share that its arms cannot give.
        ExperimentChangedError: Somebody else has changed it since it was looked at.
        WarehouseError: As `Warehouse.transaction`.
    """
    from experiments.ramp import next_step, of_users

    before = control.registered(target, name)
    if not before.running:
        how = "loveloop experiment start serves it" if before.action == "planned" else "plan another to test again"
        raise ValueError(f"experiment {name!r} is {before.action}, must be running: {how}")
    readings = _readings(target, before)
    step = next_step(_state(before.definition), _checks(target, before, readings))
    reason = f"{step.why}{f' ({why})' if why else ''}"
    action, after = step.action, before
    if step.action == "rollback":
        after = control.roll_back(target, name, by=by, why=reason)
    elif step.action == "stop":
        after = control.stop(target, name, by=by, why=reason)
    elif share is not None:
        _refuse_narrower(before.definition, share)
        after = control.cover(target, before, control.covering(before.definition, share), by=by, why=why or "asked for")
        action, reason = "advance", f"asked for: on to {of_users(share, before.definition.reach)}"
    elif step.action == "advance" and grow:
        after = control.cover(target, before, step.coverage, by=by, why=reason)
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
        "readings": readings,
        "reading": readings[0] if readings else None,
    }


def follow(target: "Target") -> None:
    """Write the routes, where LOVELOOP_ROUTES names their file, so that whoever serves follows what was decided."""
    if file := os.environ.get("LOVELOOP_ROUTES"):
        routes.write_routes(target, Path(file))


def _readings(target: "Target", before: "Registered") -> list[dict[str, Any]]:
    """Each treatment against the control, in the order of the arms; none before the first exposure."""
    from warehouse.experiments import experiments

    if not experiments(target, name=before.name):
        return []
    return [reading.read(target, before.name, treatment=each) for each in before.definition.treatments]


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
        reach=of.reach,
    )


def _checks(target: "Target", before: "Registered", readings: Sequence[Mapping[str, Any]]) -> "Checks":
    from experiments.ramp import Checks
    from warehouse import pulse

    since = before.changes[-1].changed_at
    trips = [each for each in pulse.trips(target) if each["experiment"] == before.name]
    deciding = _deciding(readings)
    return Checks(
        # the change may have been noted by a machine whose clock is ahead of this one's
        hours=max(0.0, (datetime.now(UTC) - since).total_seconds() / 3600),
        exposures=pulse.served_since(target, before.name, since),
        srm_passed=all(each["decision"] != "invalid" for each in readings),
        tripped=tuple(f"{each['arm']} by {each['metric']}" for each in trips),
        guardrails={name: state for each in readings for name, state in _guards(each, len(readings)).items()},
        decision=deciding["decision"] if deciding else None,
        reason=_prefixed(deciding, deciding["reasons"][0], len(readings)) if deciding and deciding["reasons"] else "",
    )


def _guards(read: Mapping[str, Any], pairs: int) -> "dict[str, State]":
    """How each guardrail of a pair stands; of the watched, those that are broken."""
    broken = [each for each in read.get("watched", ()) if each["state"] == "broken"]
    return {_prefixed(read, each["name"], pairs): each["state"] for each in (*read.get("guardrails", ()), *broken)}


def _prefixed(read: Mapping[str, Any], words: str, pairs: int) -> str:
    return words if pairs == 1 else f"{read['treatment']}: {words}"


def _deciding(readings: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The pair whose decision moves the ramp: one in which harm is shown; else one that is still worth serving.

    A treatment without a case any more (the plan spent, the lift out of reach) harms nobody while another goes on.
    """
    harmed = [each for each in readings if each["decision"] == "stop" and each["evidence"]["shown"] == "fewer"]
    going = [each for each in readings if each["decision"] != "stop"]
    return next(iter([*harmed, *going, *readings]), None)


def _refuse_narrower(of: "Definition", share: float) -> None:
    most = 1 - of.arms[of.control]
    if share > most + 1e-9:
        raise ValueError(
            f"--to {share:g}: {most:.0%} of the users in the test are dealt {' and '.join(of.treatments)}, must be at "
            "most that"
        )
    if control.covering(of, share) < of.coverage - 1e-9:
        users = "the users" if of.reach == 1 else f"the experiment's users ({of.treated():.3g} of all users)"
        raise ValueError(
            f"--to {share:g}: {of.coverage * most:.3g} of {users} are treated, and a ramp only grows; "
            "loveloop experiment rollback takes them all out"
        )


def page(taken: Mapping[str, Any]) -> Iterator[str]:
    """It line by line."""
    yield f"{taken['action']}: {taken['why']}"
    yield taken["line"]
    for each in taken["readings"]:
        arm = f"{each['treatment']}: " if len(taken["readings"]) > 1 else ""
        yield f"reading      {arm}{each['summary']}"
