"""The daily job against adversaries over every pending day: who games the feedback, before it is used."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from assets.facts.feedback import AdversaryFacts
from assets.report.typesetting import counted
from assets.run import Run
from assets.stage import Stage
from assets.stages import ingest, source


def _adversary(run: Run) -> AdversaryFacts:
    from training.trust import CrossFit
    from warehouse.adversary.daily import periodic
    from warehouse.adversary.excluded import judged_days

    if run.recipe.source == "warehouse":
        return _as_it_is(run)
    until = source.world_config(run).ends_at.date() if run.recipe.source == "world" else None
    dial = run.recipe.adversary.honest_loss
    periodic.run(run.warehouse, CrossFit.load, until=until, honest_loss=dial)
    return summed(judged_days(run.warehouse), dial, _quarantine(run))


def _as_it_is(run: Run) -> AdversaryFacts:
    """A live warehouse is judged by its own nightly job, not by whoever reads it."""
    found = _quarantine(run)
    users = counted(found["users_aside"], "user")
    return AdversaryFacts(summary=f"as the nightly job left it: {users} in quarantine", **found)


def summed(
    reports: Sequence[Mapping[str, Any]], dial: float, aside: Mapping[str, Any] = MappingProxyType({})
) -> AdversaryFacts:
    """What some days' judgements come to, whenever each was judged: an interrupted stage counts all of its days.

    Args:
        reports: Of each day what `warehouse.adversary.excluded.judged_days` says, in order.
        dial: The honest loss that is asked for; days that were judged by another one are counted in the summary.
        aside: Who is in quarantine by now, by the names of the facts; left out where that is not asked for.
    """
    from warehouse.adversary.daily.periodic import told

    flags = _total(reports, "flags")
    seconds = {name: round(spent, 3) for name, spent in _total(reports, "seconds").items()}
    others = sum(report["dial"] != dial for report in reports)
    before = f", {others} of them earlier by another honest_loss than {dial:g}" if others else ""
    return AdversaryFacts(
        summary=f"{len(reports)} day{'' if len(reports) == 1 else 's'} judged{before}; flagged: {told(flags)}",
        days=len(reports),
        flags=flags,
        cpu_seconds=seconds,
        lines=reports[-1]["lines"] if reports else {},
        sentences=list(reports[-1]["sentences"]) if reports else [],
        **aside,
    )


def _total(reports: Sequence[Mapping[str, Any]], field: str) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for report in reports:
        for name, amount in report[field].items():
            total[name] = total.get(name, 0) + amount
    return total


def _quarantine(run: Run) -> dict[str, Any]:
    """Users and reactions in quarantine, by the names of `AdversaryFacts`."""
    from warehouse import open as open_warehouse

    with open_warehouse(run.warehouse).read() as connection:
        rules = connection.execute(
            """SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM quarantined_users)
            GROUP BY rule ORDER BY rule"""
        ).fetchall()
        users, aside = connection.execute(
            "SELECT (SELECT count(*) FROM quarantined_users), (SELECT count(*) FROM quarantined_reactions)"
        ).fetchone() or (0, 0)
    return {"users_aside": users, "reactions_aside": aside, "users_by_rule": dict(rules)}


def _decisions(run: Run) -> Any:
    """What people decided; on a live warehouse also what the nightly job flagged, since this stage does not."""
    from warehouse.snapshot import filter_snapshot

    return filter_snapshot(run.warehouse, with_flags=run.recipe.source == "warehouse")


STAGE = Stage(
    "adversary",
    "adversary: the daily job, who games the feedback",
    _adversary,
    (ingest.STAGE.name,),
    lambda recipe: recipe.adversary,
    inputs=_decisions,
    code=("warehouse.adversary", "training.trust"),
    libraries=("scikit-learn",),
)
