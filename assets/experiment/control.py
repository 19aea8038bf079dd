"""Plan, start, ramp, roll back and archive an experiment: every change is one row of the warehouse's audit trail.

Nothing is served from here. A change says who is to be served what (`assets.experiment.routes`); whoever serves follows
it, and names the experiment and the arm in the events.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from assets.experiment.bundles import Bundle
from assets.experiment.definition import Definition, definition, values

if TYPE_CHECKING:
    from streams.assignment import Layout
    from warehouse.connection import Target
    from warehouse.experiment_registry import Action, Change

RUNNING: Final = ("started", "ramped")
"""Actions after which users are served."""


class Registered(NamedTuple):
    """An experiment as its last change left it, with all changes, oldest first."""

    name: str
    action: str
    definition: Definition
    changes: "tuple[Change, ...]"

    @property
    def running(self) -> bool:
        """Whether users are served by it."""
        return self.action in RUNNING

    @property
    def served(self) -> Definition:
        """The definition by which users were served last; the present one where nobody was."""
        running = [each for each in self.changes if each.action in RUNNING]
        return definition(running[-1].definition) if running else self.definition


def registered(target: "Target", name: str) -> Registered:
    """An experiment's state.

    Raises:
        ValueError: It was never planned here; says which were.
    """
    found = find(target, name)
    if found is None:
        names = ", ".join(each.name for each in every(target)) or "none yet"
        raise ValueError(
            f"experiment {name!r} was never planned in this warehouse (planned: {names}): loveloop experiment plan "
            f"{name} begins it"
        )
    return found


def find(target: "Target", name: str) -> Registered | None:
    """An experiment's state; None where it was never planned here."""
    from warehouse import experiment_registry

    history = experiment_registry.changes(target, name)
    return _after(name, history) if history else None


def every(target: "Target") -> list[Registered]:
    """Every experiment that was planned, the one that was changed last at the end."""
    from warehouse import experiment_registry

    by_name: dict[str, list[Change]] = {}
    for change in experiment_registry.changes(target):
        by_name.setdefault(change.experiment, []).append(change)
    found = [_after(name, history) for name, history in by_name.items()]
    return sorted(found, key=lambda each: each.changes[-1].changed_at)


def _after(name: str, history: "Sequence[Change]") -> Registered:
    return Registered(name, history[-1].action, definition(history[-1].definition), tuple(history))


def layout(name: str, of: Definition) -> "Layout":
    """Who is in an experiment, and in which arm."""
    from streams.assignment import Layout

    return Layout(
        experiment=name,
        salt=of.salt,
        arms=of.arms,
        coverage=of.coverage,
        namespace=of.namespace,
        start=of.start,
        end=of.end,
        holdout=of.holdout,
    )


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
    _readable(wanted)
    before = find(target, name)
    if before is not None and before.action != "planned":
        raise ValueError(
            f"experiment {name!r} is {before.action} since {before.changes[-1].changed_at:%Y-%m-%d %H:%M}: what was "
            "planned before the first exposure cannot be changed after it; plan another name"
        )
    _apart(target, name, wanted)
    return _noted(target, wanted, _change(name, "planned", wanted, by, why, at=at), before)


def _readable(wanted: Definition) -> None:
    """Refuse what no reading and no ramp could go by: after the start it would be too late."""
    from assets.experiment.plans import as_registered
    from experiments.boundaries import planned_drift
    from experiments.ramp import Ramp

    if wanted.control not in wanted.arms or not wanted.treatments:
        raise ValueError(f"arms are {', '.join(wanted.arms) or 'none'}, must be {wanted.control!r} and one more")
    for treatment in wanted.treatments:
        plan = as_registered(wanted, (wanted.control, treatment)).plan.checked()
        planned_drift(plan.power, plan.alpha)
    share = 1 - wanted.arms[wanted.control]
    Ramp(wanted.stages, at=1, treatment_share=share, least_hours=wanted.stage_hours)


def _apart(target: "Target", name: str, wanted: Definition) -> int:
    """Refuse a range of a namespace that a running experiment holds; a layout that cannot be is refused by itself.

    Returns:
        How many changes of all experiments this was judged by.
    """
    from streams.assignment import overlaps

    mine = layout(name, wanted)
    there = every(target)
    others = [layout(each.name, each.definition) for each in there if each.running and each.name != name]
    met = [pair for pair in overlaps([mine, *others]) if name in pair]
    if met:
        other = next(each for each in met[0] if each != name)
        raise ValueError(
            f"experiment {name!r} takes {wanted.start:g} to {wanted.end:g} of namespace {wanted.namespace!r}, which "
            f"{other!r} holds in part: give it another range (--range), or archive {other!r} first"
        )
    return sum(len(each.changes) for each in there)


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
    seen = _apart(target, name, wanted)
    share = covering(wanted, wanted.stages[0]) if coverage is None else coverage
    changed = msgspec.structs.replace(wanted, coverage=share, bundles={arm: places[arm] for arm in wanted.arms})
    # another of the namespace may be started at this moment: then neither has seen the other
    of_all = seen if wanted.namespace is not None else None
    return _noted(target, changed, _change(name, "started", changed, by, why, at=at), before, of_all)


def covering(of: Definition, treated: float) -> float:
    """The coverage at which a treatment is served to this share of the experiment's range of users, at most 1.

    >>> covering(Definition(salt="s", arms={"control": 0.5, "warmer": 0.5}), 0.05)
    0.1
    """
    return min(1.0, treated / (1 - of.arms[of.control]))


def cover(target: "Target", name: str, coverage: float, *, by: str, why: str) -> Registered:
    """Change the share of the users in the test; who was in it stays in it, in the same arm, while it grows.

    Raises:
        ValueError: It is not running, or the coverage is not in (0, 1].
    """
    before = _running(target, name)
    if not 0 < coverage <= 1:
        out = f"loveloop experiment rollback {name} takes everybody out"
        raise ValueError(f"coverage == {coverage:g}, must be in (0, 1]: {out}")
    changed = msgspec.structs.replace(before.definition, coverage=coverage)
    return _noted(target, changed, _change(name, "ramped", changed, by, why), before)


def stop(target: "Target", name: str, *, by: str, why: str, at: datetime | None = None) -> Registered:
    """Serve everybody the control again, and let a reading decide on what there is; `at` as for `plan`."""
    before = _running(target, name)
    changed = msgspec.structs.replace(before.definition, coverage=0.0, ended=True)
    return _noted(target, changed, _change(name, "stopped", changed, by, why, at=at), before)


def roll_back(target: "Target", name: str, *, by: str, why: str) -> Registered:
    """Serve everybody what the control serves, byte for byte what it was when the experiment was started.

    Raises:
        ValueError: It never served anybody, it is archived, or the control's bundle is not what it was.
    """
    before = registered(target, name)
    if before.action == "planned":
        raise ValueError(f"experiment {name!r} was only planned, nobody was served by it: nothing to roll back")
    if before.action == "archived":
        raise ValueError(f"experiment {name!r} is archived, nobody is served by it any more: nothing to roll back")
    before.definition.bundles[before.definition.control].unchanged()
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
    if found.running:
        return found
    how = "loveloop experiment start serves it" if found.action == "planned" else "plan another name to test again"
    raise ValueError(f"experiment {name!r} is {found.action}, must be running: {how}")


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
