"""Experiments as their last changes left them: those that can be read, and those that this version cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from assets.experiment.definition import Definition, definition

if TYPE_CHECKING:
    from streams.assignment import Layout
    from warehouse.connection import Target
    from warehouse.experiment_registry import Change

RUNNING: Final = ("started", "ramped")
"""Actions after which users are served."""


@dataclass(frozen=True, slots=True)
class UnreadableExperiment:
    """An experiment whose newest definition this version cannot read.

    Attributes:
        name: The experiment.
        action: What was done last.
        since: When.
        why: What is wrong with the definition.
        namespace: As it is written there; None where there is none, or it is no text.
        changes: How many there are.
    """

    name: str
    action: str
    since: datetime
    why: str
    namespace: str | None
    changes: int

    @property
    def running(self) -> bool:
        """Whether users are to be served by it, if it could be read."""
        return self.action in RUNNING


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
    """Every experiment that was planned and can be read, the one that was changed last at the end."""
    return all_planned(target)[0]


def all_planned(target: "Target") -> tuple[list[Registered], list[UnreadableExperiment]]:
    """As `every`, and those whose definition this version cannot read: one of them must not hide the others."""
    from warehouse import experiment_registry

    by_name: dict[str, list[Change]] = {}
    for change in experiment_registry.changes(target):
        by_name.setdefault(change.experiment, []).append(change)
    found: list[Registered] = []
    unreadable: list[UnreadableExperiment] = []
    for name, history in by_name.items():
        try:
            found.append(_registered(name, history))
        except ValueError as error:
            last = history[-1]
            space = last.definition.get("namespace")
            named = space if isinstance(space, str) else None
            unreadable.append(UnreadableExperiment(name, last.action, last.changed_at, str(error), named, len(history)))
    return sorted(found, key=lambda each: each.changes[-1].changed_at), unreadable


def _registered(name: str, history: "Sequence[Change]") -> Registered:
    return Registered(name, history[-1].action, definition(history[-1].definition), tuple(history))


def _after(name: str, history: "Sequence[Change]") -> Registered:
    try:
        return _registered(name, history)
    except ValueError as error:
        raise ValueError(
            f"experiment {name!r}: {error}; read it with the version that wrote it ({history[-1].changed_by}, "
            f"{history[-1].changed_at:%Y-%m-%d %H:%M} UTC)"
        ) from None


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
