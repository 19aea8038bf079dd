"""An experiment read out: from the log's sums by user to a decision, its history and the lift ledger.

One home for the command line, the A/B stage of a run and Dagster. The statistics are `experiments.readout`'s.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from assets.experiment import booking, forecasting, notes, own_metrics, tripped
from assets.experiment.control import find
from assets.experiment.plans import Settled, pair, settle
from assets.experiment.side_checks import side_checks

if TYPE_CHECKING:
    from pathlib import Path

    from assets.experiment.control import Registered
    from warehouse.connection import Target
    from warehouse.experiment_users import UserSums
    from warehouse.experiments import LoggedExperiment, StoredReadout

Facts = dict[str, Any]
"""As `assets.run.Facts`, which would bring the recipes and all that they import."""
_PASSING: Final = ("read_at", "summary", "told", "ledger_words", "notes", "reestimate")
"""What may differ between two readings that say the same."""


def read(
    target: "Target",
    name: str,
    *,
    planned_exposures: int | None = None,
    lift: float | None = None,
    shares: Mapping[str, float] | None = None,
    control: str | None = None,
    treatment: str | None = None,
    maturity_hours: float | None = None,
    metrics: "Mapping[str, Path] | None" = None,
    as_of: datetime | None = None,
) -> Facts:
    """Read an experiment of the warehouse's log, and remember what was read.

    1. Find the experiment, its two arms, and its plan where it was planned beforehand.
    2. Sum up by user, once without adversaries and once raw. Users who saw several arms are left out of both.
    3. Settle the plan: what was registered; else what is given here, else what an earlier reading used, else a default
       that is told.
    4. Read: sample ratio, the test that decides, guardrails, every other metric, decision.
    5. Find the staged candidate that the treatment arm serves, by its policy, and write the ledger's row.
    6. Append the reading to the experiment's history, unless it says what the last one said.

    Readings are kept in the order in which they were made. One as of now is always the newest, even where the last one
    is dated ahead, by a machine whose clock is: it is then dated right after it, and that is told. One as of an earlier
    moment writes nothing. A guardrail that an earlier reading of the same arms found broken stays broken.

    Args:
        target: The warehouse.
        name: The experiment, as events name it.
        planned_exposures: Per arm; of an experiment that was not planned beforehand, as are `lift` and `shares`.
        lift: The relative lift that the test is to show.
        shares: Of the users, as they were assigned; one arm's share is enough.
        control: The arm to compare with; the plan's, or `control`.
        treatment: The other arm; may be left out where there is only one.
        maturity_hours: Younger responses are not counted yet; the plan's, or 24.
        metrics: Files with a number for each user, by the metric's name: see `own_metrics`.
        as_of: Judge states and maturity at this moment, which must not lie ahead; now if left out.

    Returns:
        The report's `experiment`, and: `summary`; `rows`; `control`, `treatment` and `policies` by arm; `shares`,
        `shares_from` (`registered`, `given` or `default`) and `planned_from` (also `guess`), at this or an earlier
        reading; `read_at`, `first_exposure`, `last_exposure`; `immature` (exposures), `in_several_arms` (users) and
        `aside` (exposures that the filter left out); `told`, sentences about what was assumed or left out;
        `candidate`, `predicted_lift`, `predicted_ci`, the `ledger` row that was written or None, and `ledger_words`;
        `failed_gates`, those that the candidate failed before it was served, and `verdict`, the decision with them;
        `next`, what to do now; of a planned test that goes on `reestimate`, what its plan takes from here
        (`forecasting.reestimated`), else None.

    Raises:
        ValueError: No such experiment, a moment that is not there yet, or arms, shares or a plan that do not fit; the
            text says what is there.
        WarehouseError: As `Warehouse.read` and `Warehouse.transaction`.
    """
    from warehouse import candidates, experiments
    from warehouse.experiment_users import experiment_users

    moment, registered = _moment(as_of), find(target, name)
    plan = registered.definition if registered else None
    hours = maturity_hours if maturity_hours is not None else (plan.maturity_hours if plan else 24.0)
    test = _find(target, name, moment, hours, registered)
    arms = pair(test, control or (plan.control if plan else "control"), treatment, tuple(plan.arms) if plan else ())
    days = plan.history_days if plan and plan.decides == "adjusted" else 0
    sums = experiment_users(target, name, arms=arms, as_of=moment, maturity_hours=hours, history_days=days)
    history = experiments.readouts(target, name)
    settled = settle(sums.users, arms, history, registered=plan, planned=planned_exposures, lift=lift, shares=shares)
    own = own_metrics.join(sums.users, metrics or {})
    # what was read of a moment is told by what was known then; a reading of now knows of all of them
    earlier = history if as_of is None else [each for each in history if each.read_at <= moment]
    facts = _facts(
        test,
        settled,
        replace(sums, users=own.users),
        own,
        ended=_ended(registered, moment),
        broken=tripped.broken(earlier, settled.plan),
    )
    tripped.date(facts, moment)
    facts |= {"maturity_hours": hours, "read_at": moment.isoformat(), "changes": _changes(registered)}
    news, dated = _order(history, moment, now=as_of is None)
    facts |= booking.book(target, facts, candidates.staged_candidates(target), write=news)
    facts |= _words(facts, settled, (*own.told, *_unplanned(test, registered), *_ahead(moment, dated)))
    last = history[-1].readout if history else {}
    going = plan is not None and registered is not None and registered.running and facts["decision"] == "continue"
    columns = (own.users[name].to_numpy().astype(float) for name in ("loves", "exposures"))
    facts["reestimate"] = forecasting.reestimated(target, plan, facts, *columns) if going and plan else None
    aside = side_checks(target, facts, own.users, as_of=moment)
    facts["notes"] = [*aside, *notes.notes(target, facts, last, as_of=moment)]
    if news and not _repeats(facts, history):
        experiments.append_readout(target, name, dated, facts)
    return facts


def _moment(as_of: datetime | None) -> datetime:
    now = datetime.now(UTC)
    if as_of is not None and as_of > now:
        raise ValueError(
            f"as_of == {as_of.isoformat()}, must not be after now, {now.isoformat()}: what is not served yet cannot be "
            "read; leave it out to read what there is"
        )
    return as_of or now


def _order(history: "list[StoredReadout]", moment: datetime, *, now: bool) -> tuple[bool, datetime]:
    """Whether a reading is the newest, and the moment that it is kept under: after the last one, whatever its clock."""
    last = history[-1].read_at if history else None
    if last is None or moment > last:
        return True, moment
    return (True, last + timedelta(microseconds=1)) if now else (moment == last, moment)


def _ahead(moment: datetime, dated: datetime) -> Iterator[str]:
    """That the last reading is dated ahead of this one."""
    if dated > moment:
        yield (
            f"the reading before this one is dated {dated:%Y-%m-%d %H:%M} UTC, ahead of this machine's clock: this one "
            "is kept right after it; set the clock of the machine that made it"
        )


def _ended(registered: "Registered | None", moment: datetime) -> bool:
    """Whether nobody was served any more at a moment."""
    before = [each for each in registered.changes if each.changed_at <= moment] if registered else []
    return bool(before and before[-1].definition.get("ended"))


def _find(
    target: "Target", name: str, moment: datetime, maturity_hours: float, registered: "Registered | None"
) -> "LoggedExperiment":
    from warehouse import experiments

    found = experiments.experiments(target, as_of=moment, maturity_hours=maturity_hours, name=name)
    if found:
        return found[0]
    if registered is not None:
        begin = "" if registered.action != "planned" else f"loveloop experiment start {name} serves it; "
        raise ValueError(
            f"experiment {name!r} is {registered.action.replace('_', ' ')} and has no exposure yet: {begin}name it as "
            "`experiment`, and the `arm`, in the response_served events of those who take part (docs/experiments.md)"
        )
    there = [each.name for each in reversed(experiments.experiments(target, as_of=moment))]
    if there:
        raise ValueError(f"no experiment {name!r} in the warehouse; there: {', '.join(there)}")
    raise ValueError(
        f"no experiment {name!r} in the warehouse, nor any other: name `experiment` and `arm` in the response_served "
        "events of those who take part (docs/experiments.md)"
    )


def _facts(
    test: "LoggedExperiment",
    settled: Settled,
    sums: "UserSums",
    own: own_metrics.OwnMetrics,
    *,
    ended: bool,
    broken: Mapping[str, datetime],
) -> Facts:
    import pyarrow.compute as pc

    from assets.report import convert
    from experiments import attacked
    from experiments.readout import read as read_users

    plan = settled.plan
    shown, counts = convert.arrivals(sums.raw, (plan.control, plan.treatment))
    missed = attacked.missed(sums.quarantined)
    found = read_users(
        sums.users,
        plan,
        raw=sums.raw,
        missed=missed,
        arrivals=counts,
        metrics=own.metrics,
        ended=ended,
        unique=True,
        broken=broken,
    )
    both = [arm for arm in test.arms if arm.name in plan.shares]
    counted = pc.sum(sums.raw["exposures"]).as_py() or 0
    return {
        "rows": found.exposures,
        **convert.experiment(found, plan, name=test.name),
        "walk": convert.walk(sums.users, plan),
        "arrivals": shown,
        "control": plan.control,
        "treatment": plan.treatment,
        "policies": {arm.name: list(arm.policies) for arm in both},
        "shares": dict(plan.shares),
        "shares_from": settled.shares_from,
        "planned_from": settled.planned_from,
        "first_exposure": test.first.isoformat(),
        "last_exposure": test.last.isoformat(),
        "immature": sum(arm.exposures - arm.mature for arm in both),
        "in_several_arms": sums.in_several_arms,
        "aside": counted - found.exposures,
    }


def _unplanned(test: "LoggedExperiment", registered: "Registered | None") -> Iterator[str]:
    """What the log has of an experiment that its plan knows nothing of."""
    if registered is None:
        return
    strangers = [arm for arm in test.arms if arm.name not in registered.definition.arms]
    for arm in strangers:
        yield (
            f"WARNING, {arm.exposures:,} exposures name the arm {arm.name!r}, which was never planned: they are left "
            "out, and so is who saw a planned arm besides"
        )
    planned = [each.changed_at for each in registered.changes if each.action == "planned"]
    if planned and test.first < planned[-1]:
        yield (
            f"WARNING, planned on {planned[-1]:%Y-%m-%d %H:%M}, after the first exposure on "
            f"{test.first:%Y-%m-%d %H:%M}: a plan that was made after the data were seen promises nothing"
        )


def _changes(registered: "Registered | None") -> list[Facts]:
    from assets.experiment.standing import change

    return [change(each) for each in registered.changes] if registered else []


def _words(facts: Facts, settled: Settled, more: tuple[str, ...]) -> Facts:
    """What people read of it; where the candidate failed a gate, no decision is told without that."""
    from assets.experiment import words

    verdict = f"{facts['decision']}{words.forced(facts['failed_gates'])}"
    lift = words.effect(facts["lift"], facts["anytime_ci"])
    return {
        "summary": f"{verdict}: {lift}, SRM p = {facts['srm_sequential_p']:.2g}",
        "verdict": verdict,
        "told": [*settled.told, *more, *words.left_out(facts)],
        "next": words.next_step(facts),
    }


def _repeats(facts: Facts, history: "list[StoredReadout]") -> bool:
    """Whether the last reading said the same."""
    return bool(history) and _lasting(history[-1].readout) == _lasting(facts)


def _lasting(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in _PASSING}
