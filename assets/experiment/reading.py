"""An experiment read out: from the log's sums by user to a decision, its history and the lift ledger.

One home for the command line, the A/B stage of a run and Dagster. The statistics are `experiments.readout`'s.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from assets.experiment.plans import Settled, pair, settle

if TYPE_CHECKING:
    from experiments.ledger import Row
    from warehouse.candidates import StagedCandidate
    from warehouse.connection import Target
    from warehouse.experiments import LoggedExperiment, StoredReadout, UserSums

Facts = dict[str, Any]
"""As `assets.run.Facts`, which would bring the recipes and all that they import."""
_PASSING = ("read_at", "summary", "told", "ledger_words")
"""What may differ between two readings that say the same."""


def read(
    target: "Target",
    name: str,
    *,
    planned_exposures: int | None = None,
    shares: Mapping[str, float] | None = None,
    control: str = "control",
    treatment: str | None = None,
    maturity_hours: float = 24.0,
    as_of: datetime | None = None,
) -> Facts:
    """Read an experiment of the warehouse's log, and remember what was read.

    1. Find the experiment and its two arms.
    2. Sum up by user, once without adversaries and once raw. Users who saw several arms are left out of both.
    3. Settle the plan: what is given here, else what an earlier reading used, else a default that is told.
    4. Read: sample ratio, effect, needless closings, decision.
    5. Find the staged candidate that the treatment arm serves, by its policy, and write the ledger's row.
    6. Append the reading to the experiment's history, unless it says what the last one said.

    A reading as of a moment before an earlier reading's writes nothing.

    Args:
        target: The warehouse.
        name: The experiment, as events name it.
        planned_exposures: Per arm.
        shares: Of the users, as they were assigned; one arm's share is enough.
        control: The arm to compare with.
        treatment: The other arm; may be left out where there is only one.
        maturity_hours: Younger responses are not counted yet.
        as_of: Judge states and maturity at this moment; now if left out.

    Returns:
        The report's `experiment`, and: `summary`; `rows`; `control`, `treatment` and `policies` by arm; `shares`,
        `shares_from` (`given` or `default`) and `planned_from` (also `guess`), at this or an earlier reading;
        `read_at`, `first_exposure`, `last_exposure`; `immature` (exposures), `in_several_arms` (users) and `aside`
        (exposures that the filter left out); `told`, sentences about what was assumed or left out; `candidate`,
        `predicted_lift`, `predicted_ci`, the `ledger` row that was written or None, and `ledger_words`;
        `failed_gates`, those that the candidate failed before it was served, and `verdict`, the decision with them;
        `next`, what to do now.

    Raises:
        ValueError: No such experiment, or arms, shares or a plan that do not fit; the text says what is there.
        WarehouseError: As `Warehouse.read` and `Warehouse.transaction`.
    """
    from warehouse import candidates, experiments

    moment = as_of or datetime.now(UTC)
    test = _find(target, name, moment, maturity_hours)
    arms = pair(test, control, treatment)
    sums = _sums(target, name, arms, moment, maturity_hours)
    history = experiments.readouts(target, name)
    settled = settle(sums.users, arms, history, planned_exposures, shares)
    facts = _facts(test, settled, sums, moment, maturity_hours)
    news = not history or moment >= history[-1].read_at
    facts |= _book(target, facts, candidates.staged_candidates(target), write=news)
    facts |= _words(facts, settled)
    if news and not _repeats(facts, history):
        experiments.append_readout(target, name, moment, facts)
    return facts


def _find(target: "Target", name: str, moment: datetime, maturity_hours: float) -> "LoggedExperiment":
    from warehouse import experiments

    found = experiments.experiments(target, as_of=moment, maturity_hours=maturity_hours, name=name)
    if found:
        return found[0]
    there = [each.name for each in reversed(experiments.experiments(target, as_of=moment))]
    if there:
        raise ValueError(f"no experiment {name!r} in the warehouse; there: {', '.join(there)}")
    raise ValueError(
        f"no experiment {name!r} in the warehouse, nor any other: name `experiment` and `arm` in the response_served "
        "events of those who take part (docs/experiments.md)"
    )


def _sums(target: "Target", name: str, arms: tuple[str, str], moment: datetime, maturity_hours: float) -> "UserSums":
    from training.judges import CONDITIONAL_CLOSING
    from warehouse.experiments import experiment_users

    def closes(conversation: list[dict[str, str]], response: str) -> bool:
        return CONDITIONAL_CLOSING(conversation, response).violates

    return experiment_users(
        target, name, arms=arms, as_of=moment, maturity_hours=maturity_hours, judges={"closings": closes}
    )


def _facts(
    test: "LoggedExperiment", settled: Settled, sums: "UserSums", moment: datetime, maturity_hours: float
) -> Facts:
    import pyarrow.compute as pc

    from assets.report import convert
    from experiments import ratio
    from experiments.plan import Guardrail
    from experiments.readout import read as read_users

    plan = settled.plan
    closings = Guardrail("closings", ratio.MOST, "needless closings")
    found = read_users(sums.users, plan, guardrails=[closings], raw=sums.raw)
    both = [arm for arm in test.arms if arm.name in plan.shares]
    counted = pc.sum(sums.raw["exposures"]).as_py() or 0
    return {
        "rows": found.exposures,
        **convert.experiment(found, plan, name=test.name),
        "control": plan.control,
        "treatment": plan.treatment,
        "policies": {arm.name: list(arm.policies) for arm in both},
        "shares": dict(plan.shares),
        "shares_from": settled.shares_from,
        "planned_from": settled.planned_from,
        "maturity_hours": maturity_hours,
        "read_at": moment.isoformat(),
        "first_exposure": test.first.isoformat(),
        "last_exposure": test.last.isoformat(),
        "immature": sum(arm.exposures - arm.mature for arm in both),
        "in_several_arms": sums.in_several_arms,
        "aside": counted - found.exposures,
    }


def _words(facts: Facts, settled: Settled) -> Facts:
    """What people read of it; where the candidate failed a gate, no decision is told without that."""
    from assets.experiment import words

    verdict = f"{facts['decision']}{words.forced(facts['failed_gates'])}"
    lift = words.effect(facts["lift"], facts["anytime_ci"])
    return {
        "summary": f"{verdict}: {lift}, SRM p = {facts['srm_p']:.2f}",
        "verdict": verdict,
        "told": [*settled.told, *words.left_out(facts)],
        "next": words.next_step(facts),
    }


def _book(target: "Target", facts: Facts, staged: "list[StagedCandidate]", *, write: bool) -> Facts:
    """Predicted beside measured, by the interval that decides; a void comparison measures nothing."""
    from experiments import ledger
    from warehouse import candidates, queries

    served = facts["policies"].get(facts["treatment"], [])
    found = candidates.find(staged, served[0]) if len(served) == 1 else None
    if found is None or found.predicted_lift is None:
        return _unpredicted(served, found)
    void = facts["decision"] == "invalid"
    low, high = (None, None) if void else facts["anytime_ci"]
    row = ledger.row(
        found.name,
        predicted_lift=found.predicted_lift,
        measured_lift=None if void else facts["lift"],
        measured_ci=(low, high),
        experiment=facts["name"],
        day=datetime.fromisoformat(facts["read_at"]).date(),
        failed=failed_gates(found),
        one_look=(None, None) if void else facts["lift_ci"],
    )
    write = write and (void or row.measured_lift is not None or not _measured(target, row))
    if write:
        queries.append_ledger(target, row._asdict())
    predicted: Facts = {
        "predicted_lift": found.predicted_lift,
        "predicted_ci": [found.predicted_low, found.predicted_high],
    }
    words = ledger.agreement(queries.ledger(target)).words
    kept = row._asdict() | {"date": row.date.isoformat(), "failed": list(row.failed)}
    predicted |= {"failed_gates": list(row.failed)}
    return {"candidate": found.name, **predicted, "ledger": kept if write else None, "ledger_words": words}


def failed_gates(staged: "StagedCandidate") -> tuple[str, ...]:
    """Names of the gates that a candidate had failed when it was staged; earlier versions did not note them."""
    return tuple(staged.lineage.get("failed_gates", ()))


def _measured(target: "Target", row: "Row") -> bool:
    """Whether an earlier reading measured the lift: one without exposures, as with a longer wait, knows no better."""
    from warehouse import queries

    same = (row.candidate, row.experiment)
    kept = [each for each in queries.ledger(target) if (each["candidate"], each["experiment"]) == same]
    return any(each.get("measured_lift") is not None for each in kept)


def _unpredicted(served: list[str], found: "StagedCandidate | None") -> Facts:
    """Why no row of the ledger was written, and what makes one."""
    if len(served) > 1:
        words = f"the treatment was served by {len(served)} policies ({', '.join(served)}), a prediction is for one"
        words += ": serve the next policy under an experiment of its own"
    elif found is not None:
        words = f"candidate {found.name} was staged without a predicted lift: loveloop run stages one with it"
    elif served:
        words = f"no candidate {served[0]!r} was staged in this warehouse: serve what `loveloop run` stages from it, "
        words += "under the candidate's name as `policy`"
    else:
        words = "the treatment was not served yet"
    nothing: Facts = {"predicted_lift": None, "predicted_ci": [None, None], "ledger": None}
    nothing["failed_gates"] = list(failed_gates(found)) if found else []
    return {"candidate": found.name if found else None, **nothing, "ledger_words": f"not written: {words}"}


def _repeats(facts: Facts, history: "list[StoredReadout]") -> bool:
    """Whether the last reading said the same."""
    return bool(history) and _lasting(history[-1].readout) == _lasting(facts)


def _lasting(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts.items() if key not in _PASSING}
