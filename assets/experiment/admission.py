"""What an experiment must be before it is planned or started: later would be too late."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.experiment.definition import Definition
from assets.experiment.lookup import Registered, UnreadableExperiment, all_planned, layout

if TYPE_CHECKING:
    from warehouse.connection import Target


def readable(wanted: Definition) -> None:
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


def apart(target: "Target", name: str, wanted: Definition) -> int:
    """Refuse a range of a namespace that a running experiment holds; a layout that cannot be is refused by itself.

    Returns:
        How many changes of all experiments this was judged by.
    """
    from streams.assignment import overlaps

    mine = layout(name, wanted)
    there, unreadable = all_planned(target)
    _apart_from_unreadable(name, wanted, unreadable)
    running = [each for each in there if each.running and each.name != name]
    _one_holdout(name, wanted, running)
    others = [layout(each.name, each.definition) for each in running]
    met = [pair for pair in overlaps([mine, *others]) if name in pair]
    if met:
        other = next(each for each in met[0] if each != name)
        raise ValueError(
            f"experiment {name!r} takes {wanted.start:g} to {wanted.end:g} of namespace {wanted.namespace!r}, which "
            f"{other!r} holds in part: give it another range (--range), or archive {other!r} first"
        )
    return sum(len(each.changes) for each in there) + sum(each.changes for each in unreadable)


def _apart_from_unreadable(name: str, wanted: Definition, unreadable: Sequence[UnreadableExperiment]) -> None:
    """Refuse a namespace of which a running experiment cannot be read: nobody knows whose users it holds."""
    for each in unreadable:
        if each.running and each.name != name and wanted.namespace is not None and each.namespace == wanted.namespace:
            raise ValueError(
                f"experiment {name!r} shares namespace {wanted.namespace!r} with {each.name!r}, whose range cannot be "
                f"read ({each.why}): take another namespace, or end {each.name!r} with the version that wrote it"
            )


def _one_holdout(name: str, wanted: Definition, running: Sequence[Registered]) -> None:
    """Refuse a second holdout of one salt: the smaller lies within the larger, whose users would be in a test."""
    for each in running:
        of = each.definition
        if of.salt == wanted.salt and of.holdout != wanted.holdout:
            raise ValueError(
                f"experiment {name!r} holds out {wanted.holdout:g} of all users, and {each.name!r}, which runs under "
                f"the same salt, {of.holdout:g}: both are cut from one hash, so that one would serve whom the other "
                f"holds out; say --holdout {of.holdout:g}, or another --salt"
            )
