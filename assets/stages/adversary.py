"""The daily job against adversaries over every pending day: who games the feedback, before it is used."""

from typing import Any

from assets.run import Facts, Run, Stage
from assets.stages import ingest, source


def _adversary(run: Run) -> Facts:
    from training.trust import CrossFit
    from warehouse.adversary.daily import periodic

    if run.recipe.source == "warehouse":
        return _as_it_is(run)
    until = source.world_config(run).ends_at.date() if run.recipe.source == "world" else None
    reports = periodic.run(run.warehouse, CrossFit.load, until=until, honest_loss=run.recipe.adversary.honest_loss)
    return summed(reports) | _quarantine(run)


def _as_it_is(run: Run) -> Facts:
    """A live warehouse is judged by its own nightly job, not by whoever reads it."""
    found = _quarantine(run)
    return {"summary": f"as the nightly job left it: {found['users_aside']:,} users in quarantine", **found}


def summed(reports: list[Any]) -> Facts:
    """What some days' judgements come to.

    Args:
        reports: `warehouse.adversary.daily.periodic.DayReport`, in order.
    """
    flags: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for report in reports:
        for name, count in report.flags.items():
            flags[name] = flags.get(name, 0) + count
        for name, spent in report.seconds.items():
            seconds[name] = round(seconds.get(name, 0.0) + spent, 3)
    told = ", ".join(f"{count:,} by {name}" for name, count in sorted(flags.items())) or "nobody"
    return {
        "summary": f"{len(reports)} days judged; flagged: {told}",
        "days": len(reports),
        "flags": flags,
        "cpu_seconds": seconds,
        "lines": reports[-1].lines if reports else {},
        "sentences": list(reports[-1].sentences) if reports else [],
    }


def _quarantine(run: Run) -> Facts:
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
