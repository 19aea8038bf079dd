"""Plan, start, ramp, roll back and archive an experiment: every change is one row of the warehouse's audit trail.

Nothing is served from here. A change says who is to be served what (`assets.experiment.routes`); whoever serves follows
it, and names the experiment and the arm in the events.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from assets.experiment import admission
from assets.experiment.bundles import Bundle
from assets.experiment.definition import Definition, values
from assets.experiment.lookup import Registered, all_planned, every, find, layout, registered

if TYPE_CHECKING:
    from warehouse.connection import Target
    from warehouse.experiment_registry import Action, Change

__all__ = [
    "Registered", "all_planned", "archive", "bundles", "cover", "covering", "every", "find", "layout", "plan",
    "registered", "roll_back", "start", "stop",
]  # fmt: skip


def plan(
    target: "Target", name: str, wanted: Definition, *, by: str, why: str = "", at: datetime | None = None
) -> Registered:
    """Note an experiment before its first exposure; planned anew it replaces the plan, until it is started.

    Args:
        target: The warehouse.
        name: As events will name it.
        wanted: What it is.
        by: Who plans it.
        why: In their words.
        at: When, by the clock of a simulated world; now if left out.

    Raises:
        ValueError: It was started already, its layout cannot be, it would share users with another of its namespace, or
            no reading could be held against it.
    """
    admission.readable(wanted)
    before = find(target, name)
    if before is not None and before.action != "planned":
        raise ValueError(
            f"experiment {name!r} is {before.action} since {before.changes[-1].changed_at:%Y-%m-%d %H:%M}: what was "
            "planned before the first exposure cannot be changed after it; plan another name"
        )
    admission.apart(target, name, wanted)
    return _noted(target, wanted, _change(name, "planned", wanted, by, why, at=at), before)


def start(
    target: "Target",
    name: str,
    places: Mapping[str, Bundle],
    *,
    by: str,
    why: str = "",
    coverage: float | None = None,
    at: datetime | None = None,
) -> Registered:
    """Serve the first stage of the ramp.

    Args:
        target: The warehouse.
        name: A planned experiment.
        places: What each arm serves.
        by: Who starts it.
        why: In their words.
        coverage: Share of the users in the test; that of the ramp's first stage if left out.
        at: As for `plan`.

    Raises:
        ValueError: It is not planned, an arm has nothing to serve, or as `plan`.
    """
    before = registered(target, name)
    if before.action != "planned":
        raise ValueError(f"experiment {name!r} is {before.action}, must be planned: it can be started once")
    wanted = before.definition
    missing, strangers = sorted(set(wanted.arms) - set(places)), sorted(set(places) - set(wanted.arms))
    if missing or strangers:
        raise ValueError(
            f"--bundle names {', '.join(sorted(places)) or 'no arm'}, must name what each of "
            f"{', '.join(wanted.arms)} serves: --bundle {(missing or [*wanted.arms])[0]}=FOLDER (or a policy's name)"
        )
    seen = admission.apart(target, name, wanted)
    share = covering(wanted, wanted.stages[0]) if coverage is None else coverage
    changed = msgspec.structs.replace(wanted, coverage=share, bundles={arm: places[arm] for arm in wanted.arms})
    # another of the namespace, or of the holdout, may be started at this moment: then neither has seen the other
    of_all = seen if wanted.namespace is not None or wanted.holdout else None
    return _noted(target, changed, _change(name, "started", changed, by, why, at=at), before, of_all)


def covering(of: Definition, treated: float) -> float:
    """The coverage at which a treatment is served to this share of the experiment's range of users, at most 1.

    >>> covering(Definition(salt="s", arms={"control": 0.5, "warmer": 0.5}), 0.05)
    0.1
    """
    return min(1.0, treated / (1 - of.arms[of.control]))


def cover(target: "Target", before: Registered, coverage: float, *, by: str, why: str) -> Registered:
    """Widen the test; who was in it stays in it, in the same arm.

    Args:
        target: The warehouse.
        before: The experiment as it was when this was decided on. Of two who widen it at once the first one wins, and
            the second is told: what it saw is not what stands.
        coverage: Share of the users whom the experiment may have, from now on in the test.
        by: Who widens it.
        why: In their words.

    Raises:
        ValueError: It is not running, or the coverage is above 1 or below what it was.
        ExperimentChangedError: Somebody else has changed it since.
    """
    name = before.name
    _refuse_idle(before)
    if not before.definition.coverage - 1e-9 <= coverage <= 1:
        out = f"loveloop experiment rollback {name} takes everybody out"
        raise ValueError(f"coverage == {coverage:g}, must be in [{before.definition.coverage:g}, 1]: {out}")
    changed = msgspec.structs.replace(before.definition, coverage=coverage)
    return _noted(target, changed, _change(name, "ramped", changed, by, why), before)


def stop(target: "Target", name: str, *, by: str, why: str, at: datetime | None = None) -> Registered:
    """Serve everybody the control again, and let a reading decide on what there is; `at` as for `plan`."""
    before = _running(target, name)
    changed = msgspec.structs.replace(before.definition, coverage=0.0, ended=True)
    return _noted(target, changed, _change(name, "stopped", changed, by, why, at=at), before)


def roll_back(target: "Target", name: str, *, by: str, why: str) -> Registered:
    """Serve everybody what the control serves, byte for byte what it was when the experiment was started.

    Rolled back once more it stays as it is, and nothing is noted; the control's bundle is looked at again.

    Raises:
        ValueError: It never served anybody, it is archived, or the control's bundle is not what it was.
    """
    before = registered(target, name)
    if before.action == "planned":
        raise ValueError(f"experiment {name!r} was only planned, nobody was served by it: nothing to roll back")
    if before.action == "archived":
        raise ValueError(f"experiment {name!r} is archived, nobody is served by it any more: nothing to roll back")
    before.definition.bundles[before.definition.control].unchanged()
    if before.action == "rolled_back":
        return before
    changed = msgspec.structs.replace(before.definition, coverage=0.0, ended=True)
    return _noted(target, changed, _change(name, "rolled_back", changed, by, why), before)


def archive(target: "Target", name: str, *, by: str, why: str) -> Registered:
    """Close an experiment for good: it is served to nobody, holds no range of its namespace, and stays readable."""
    before = registered(target, name)
    if before.action == "archived":
        raise ValueError(f"experiment {name!r} is archived already")
    changed = msgspec.structs.replace(before.definition, coverage=0.0, ended=before.action != "planned")
    return _noted(target, changed, _change(name, "archived", changed, by, why), before)


def bundles(of: Definition) -> Sequence[tuple[str, Bundle]]:
    """What each arm serves, in the order of the arms."""
    return [(arm, of.bundles[arm]) for arm in of.arms if arm in of.bundles]


def _running(target: "Target", name: str) -> Registered:
    found = registered(target, name)
    _refuse_idle(found)
    return found


def _refuse_idle(found: Registered) -> None:
    if not found.running:
        how = "loveloop experiment start serves it" if found.action == "planned" else "plan another name to test again"
        raise ValueError(f"experiment {found.name!r} is {found.action}, must be running: {how}")


def _noted(
    target: "Target", wanted: Definition, change: "Change", before: Registered | None, of_all: int | None = None
) -> Registered:
    """Append a change, unless somebody else has changed the experiment since it was looked at."""
    from warehouse import experiment_registry

    seen = before.changes if before else ()
    stored = experiment_registry.append(target, change, expected=len(seen), of_all=of_all)
    return Registered(change.experiment, change.action, wanted, (*seen, stored))


def _change(
    name: str, action: "Action", wanted: Definition, by: str, why: str, *, at: datetime | None = None
) -> "Change":
    from warehouse.experiment_registry import Change

    return Change(name, at or datetime.now(UTC), by, action, why or "not said", values(wanted))
