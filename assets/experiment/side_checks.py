"""Checks beside the test that decides: sample ratio by segment, carry-over of an earlier test, the pace of this one."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

    from warehouse.connection import Target
    from warehouse.experiments import LoggedExperiment

RECENT: Final = timedelta(days=30)
"""An experiment that ended longer ago is taken to have left nothing."""


def side_checks(target: "Target", facts: Mapping[str, Any], users: "pa.Table", *, as_of: datetime) -> list[str]:
    """Sentences, each as far as there is something to say.

    Args:
        target: The warehouse.
        facts: A reading.
        users: Its users, as they were read.
        as_of: The reading's moment.
    """
    return [*_segments(target, facts, as_of), *_carry_over(target, facts, users, as_of), *_pace(facts)]


def _segments(target: "Target", facts: Mapping[str, Any], as_of: datetime) -> Iterator[str]:
    """Segments of users that did not get the shares they were promised, though all together may have."""
    from experiments import srm
    from warehouse import experiment_series

    arms = (facts["control"], facts["treatment"])
    rows = experiment_series.segments(target, facts["name"], arms, as_of).to_pylist()
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        counts.setdefault(f"{row['dimension']} {row['segment']}", {})[row["arm"]] = row["users"]
    for segment, found in srm.by_segment(counts, facts["shares"]).items() if counts else ():
        if found.mismatch:
            seen = ", ".join(f"{arm} {counts[segment].get(arm, 0):,}" for arm in arms)
            yield f"WARNING, sample ratio off where {segment}: {seen}; look for what differs there"


def _carry_over(target: "Target", facts: Mapping[str, Any], users: "pa.Table", as_of: datetime) -> Iterator[str]:
    """What the treatment of the experiment before this one still does to the users of this one."""
    from experiments.trends import carry_over
    from warehouse.experiment_users import experiment_users

    before = _before(target, facts, as_of)
    if before is None:
        return
    arms = [arm.name for arm in before.arms]
    control = "control" if "control" in arms else arms[0]
    earlier = experiment_users(target, before.name, arms=arms, as_of=as_of, maturity_hours=0.0).raw
    joined = users.join(earlier.select(["user_id", "arm"]), "user_id", right_suffix="_before", join_type="left outer")
    arm_before = joined["arm_before"].to_pylist()
    previous = [-1 if arm is None else int(arm != control) for arm in arm_before]
    if min(previous.count(0), previous.count(1)) < 2:
        return
    arm = [int(each == facts["treatment"]) for each in joined["arm"].to_pylist()]
    found = carry_over(joined["loves"].to_numpy(), joined["exposures"].to_numpy(), arm, previous)
    yield f"of {before.name}, which ended before: {found.words}"


def _before(target: "Target", facts: Mapping[str, Any], as_of: datetime) -> "LoggedExperiment | None":
    """The experiment that ended last before this one began."""
    from warehouse import experiments

    began = datetime.fromisoformat(facts["first_exposure"])
    there = experiments.experiments(target, as_of=as_of)
    ended = [each for each in there if each.name != facts["name"] and began - RECENT <= each.last <= began]
    return max(ended, key=lambda each: each.last, default=None)


def _pace(facts: Mapping[str, Any]) -> Iterator[str]:
    """How long the plan takes at the pace of both arms together, which says nothing of their difference."""
    share = facts["evidence"]["information"]
    if not share or share >= 1 or facts["decision"] != "continue":
        return
    first, last = (datetime.fromisoformat(facts[name]) for name in ("first_exposure", "last_exposure"))
    days = (last - first).total_seconds() / 86_400
    if days > 0.5:
        yield f"at the pace so far the plan is met in about {days * (1 - share) / share:,.0f} days"
