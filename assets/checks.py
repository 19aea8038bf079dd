"""The asset checks: what must hold before a result is used (blocking), and what is worth a look (warnings)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets import learning_checks, preflight, preflight_feedback, provenance, reward_checks
from assets.asset import RunResource, opened_or_failed
from assets.facts.feedback import IngestFacts, TrainingSetFacts
from assets.facts.launch import CandidateFacts, LedgerFacts, ReadoutFacts
from assets.facts.models import RewardFacts
from assets.orchestration import words
from assets.recipe import REWARDS
from assets.run import Run
from assets.verdict import CheckVerdict

TEXTS = 10_000
"""Responses of each arm that the sentinel reads."""
LEAST_SRM = 0.001
"""A sample ratio less likely than this by chance means that the assignment is broken."""


@dataclass(frozen=True)
class CheckRule:
    """One check of one asset.

    Attributes:
        asset: Whose result it judges; of policies, those of every Love weight that there are.
        description: What holds when it passes.
        judge: Judges the run; its name is the check's.
        blocking: An error stops what comes after, in the same run of Dagster's.
        at_once: It reads what changes (the warehouse, the machine): earlier cycles cannot be judged by it.
    """

    asset: str
    description: str
    judge: Callable[[Run], CheckVerdict]
    blocking: bool = False
    at_once: bool = False

    @property
    def name(self) -> str:
        """The check's name."""
        return self.judge.__name__


def inputs_are_there(run: Run) -> CheckVerdict:
    """Packages, models, labels and, of a live warehouse, enough mature feedback."""
    try:
        preflight.check(run)
    except ValueError as error:
        return CheckVerdict(False, {"missing": str(error)})
    return CheckVerdict(True, {"missing": "nothing"})


def reactions_find_their_responses(run: Run) -> CheckVerdict:
    """Else responses are lost on the way, or their response_id differs. The age is taken at the newest response."""
    from warehouse import queries

    newest = queries.counts(run.warehouse)["last_served_at"]
    found = queries.counts(run.warehouse, as_of=newest)
    seen = {name: found[name] for name in ("waiting", "waiting_too_long")} | {
        "waiting_since": str(found["waiting_since"])
    }
    rule = f"none for more than {queries.WAITING_ALARM_HOURS:g} h"
    return CheckVerdict(found["waiting_too_long"] == 0, {**seen, "rule": rule}, warn=True)


def dead_letters_are_few(run: Run) -> CheckVerdict:
    """Lines that break the contract, of all that were read."""
    counted = run.facts(IngestFacts).counts
    return dead_letter_verdict(
        counted["dead_letters"], counted["events"], run.recipe.triggers.dead_letter_share, counted
    )


def dead_letter_verdict(dead: int, events: int, line: float, counted: Mapping[str, Any] | None = None) -> CheckVerdict:
    """What so many dead letters among so many lines mean."""
    share = dead / max(events, 1)
    by_reason = (counted or {}).get("dead_letters_by_reason", {})
    why = ", ".join(f"{name} {count}" for name, count in by_reason.items()) or "loveloop dead-letters list shows why"
    return CheckVerdict(
        share <= line,
        {"dead_letters": dead, "events": events, "share": share, "reasons": why, "rule": f"at most {line:.2%}"},
        warn=True,
    )


def training_set_is_usable(run: Run) -> CheckVerdict:
    """A set without loves, or with more than a product ever sees, is not to be trained on."""
    facts = run.facts(TrainingSetFacts)
    rate = facts.positives / max(facts.rows, 1)
    seen = {"rows": facts.rows, "positives": facts.positives, "love_rate": rate}
    least = preflight_feedback.least_labels(run.recipe.p_love)
    return CheckVerdict(
        facts.positives >= least and rate < 0.5, {**seen, "rule": f"at least {least} loves, rate under 0.5"}
    )


def p_love_beats_chance(run: Run) -> CheckVerdict:
    """The lower end of AUROC's interval on users that were not trained on lies above one half."""
    facts = run.facts(RewardFacts, "p_love")
    low, _ = facts.auroc_ci
    return CheckVerdict(
        low is not None and low > 0.5,
        {"auroc": facts.auroc, "auroc_low": low or 0.0, "rule": "the interval's lower end above 0.5"},
    )


def p_love_is_calibrated(run: Run) -> CheckVerdict:
    """Calibration error above its noise floor is small beside the Love rate; of older runs, it did not grow."""
    facts = run.facts(RewardFacts, "p_love")
    if facts.findings is not None:
        return reward_checks.finding(run, "p_love", "calibration")
    before, after, rate = (each or 0.0 for each in (facts.ece_before, facts.ece_after, facts.base_rate))
    seen = {"ece_before": before, "ece_after": after, "base_rate": rate}
    rule = "calibration error no larger than before calibrating, and at most the Love rate itself"
    return CheckVerdict(after <= before and after <= rate, {**seen, "rule": rule}, warn=True)


def candidate_passed_the_gates(run: Run) -> CheckVerdict:
    """A candidate that failed a gate is never green; where the recipe tests it by force it is a warning.

    Otherwise it is an error. It stops nothing: the simulated test declines by itself, and readout, ledger and report
    come after it and say why nothing was served.
    """
    facts = run.facts(CandidateFacts)
    forced = bool(run.recipe.experiment and run.recipe.experiment.force)
    failed = [f"{gate.name}: {gate.seen}" for gate in facts.gates if gate.passed is False]
    seen = {"candidate": facts.name, "passed": facts.passed, "forced": forced and not facts.passed}
    return CheckVerdict(facts.passed, {**seen, "failed": "; ".join(failed) or "no gate"}, warn=forced)


def nothing_simulated_beside_real_events(run: Run) -> CheckVerdict:
    """A run on real events takes no label, prompt or model from the simulated world."""
    simulated = [str(each["what"]) for each in provenance.origins(run) if each["simulated"]]
    live = run.recipe.source != "world"
    return CheckVerdict(
        not (live and simulated), {"source": run.recipe.source, "simulated": ", ".join(simulated) or "none"}
    )


def sample_ratio_holds(run: Run) -> CheckVerdict:
    """Users fell to the arms as they should have."""
    p = run.facts(ReadoutFacts).srm_sequential_p
    rule = f"p at least {LEAST_SRM:g}, however often it is read"
    return CheckVerdict(p is None or p >= LEAST_SRM, {"srm_sequential_p": _told(p), "rule": rule})


def guardrails_hold(run: Run) -> CheckVerdict:
    """No guardrail is broken."""
    states = {each.name: each.state for each in run.facts(ReadoutFacts).guardrails}
    broken = [name for name, state in states.items() if state == "broken"]
    return CheckVerdict(not broken, {**states, "broken": ", ".join(broken) or "none"}, warn=True)


def arms_behave_alike(run: Run) -> CheckVerdict:
    """The sentinel on the texts that the test's arms served: an error where it blocks, a warning where much changed."""
    from assets.stages.sentinel import review_arms

    facts = run.facts(ReadoutFacts)
    if facts.declined or facts.control is None:
        return CheckVerdict(True, {"verdict": "not read: nothing was served"})
    arms = facts.control, facts.treatment
    found = review_arms(run.warehouse, str(facts.name), *arms, run.recipe.sentinel, most=TEXTS)
    seen = {"verdict": found.verdict, "words": found.words, "responses": sum(found.responses)}
    return CheckVerdict(found.verdict == "pass", seen, warn=found.verdict == "warn")


def sample_is_complete(run: Run) -> CheckVerdict:
    """The evidence that the plan needs is in, or enough of it to decide."""
    facts = run.facts(ReadoutFacts)
    share = facts.evidence.information if facts.evidence else None
    decided = facts.decision in ("ship", "stop")
    return CheckVerdict(
        decided or (share is not None and share >= 1),
        {"share_of_the_planned_evidence": _told(share), "decision": facts.decision},
        warn=True,
    )


def p_love_may_gate_launches(run: Run) -> CheckVerdict:
    """Predicted lifts agree with measured ones beyond chance: the lower end of r's interval passes the line."""
    from experiments.ledger import TRUSTED_ABOVE

    agreed = run.facts(LedgerFacts).agreement
    names = ("experiments", "r", "rho", "corrected_r", "slope")
    seen = {name: _told(agreed.get(name)) for name in names}
    intervals = {name: agreed.get(name) or [None, None] for name in ("ci", "rho_ci", "corrected_ci", "slope_ci")}
    limits = {f"{name}_{side}": _told(each[place]) for name, each in intervals.items() for place, side in _SIDES}
    rule = f"the lower end of the interval of r above {TRUSTED_ABOVE}"
    return CheckVerdict(bool(agreed["passed"]), {**seen, **limits, "words": agreed["words"], "rule": rule}, warn=True)


_SIDES = ((0, "low"), (1, "high"))


def no_arm_tripped(run: Run) -> CheckVerdict:
    """The live guard switched no arm off."""
    from warehouse import pulse

    return trip_verdict(pulse.trips(run.warehouse))


def trip_verdict(trips: list[dict[str, Any]]) -> CheckVerdict:
    """What arms that the live guard switched off mean."""
    told = [
        f"{each['experiment']}/{each['arm']} by {each['metric']} ({each['rate']:.3g} against {each['reference']:.3g})"
        for each in trips
    ]
    return CheckVerdict(not trips, {"tripped": "; ".join(told) or "none", "count": len(trips)}, warn=True)


def _told(value: Any) -> Any:
    return "not known" if value is None else value


EVERY = (
    CheckRule("ingest", "what the recipe needs is there", inputs_are_there, blocking=True, at_once=True),
    CheckRule(
        "ingest",
        "no reaction has waited for its response for more than a day",
        reactions_find_their_responses,
        at_once=True,
    ),
    CheckRule("ingest", "few lines break the contract", dead_letters_are_few),
    CheckRule("ingest", "the live guard switched no arm off", no_arm_tripped, at_once=True),
    CheckRule("training_set", "rows, loves, and a Love rate that can be one", training_set_is_usable, blocking=True),
    CheckRule(
        "incumbent", "guesses the log better than blindly", learning_checks.incumbent_learnt_the_log, blocking=True
    ),
    CheckRule("p_love", "better than chance on unseen users", p_love_beats_chance, blocking=True),
    CheckRule("p_love", "chances that come true as often as they say", p_love_is_calibrated),
    *(CheckRule(asset, what, judge, blocking=True) for asset in REWARDS for what, judge in reward_checks.judges(asset)),
    CheckRule("policy", "no NaN in any round", learning_checks.figures_are_finite, blocking=True),
    CheckRule("policy", "each round taught something", learning_checks.every_round_taught_something, blocking=True),
    CheckRule(
        "policy", "no judge trips too often in the last round", learning_checks.judges_let_policies_pass, blocking=True
    ),
    CheckRule("policy", "within the KL limit", learning_checks.policies_stay_near_the_incumbent, blocking=True),
    CheckRule(
        "offline_evaluation", "every policy has figures", learning_checks.every_policy_was_measured, blocking=True
    ),
    CheckRule("candidate", "passed every gate; a warning where its test is forced", candidate_passed_the_gates),
    CheckRule("candidate", "real events, and nothing simulated", nothing_simulated_beside_real_events, blocking=True),
    CheckRule("experiment_readout", "users fell to the arms as planned", sample_ratio_holds),
    CheckRule("experiment_readout", "no guardrail is broken", guardrails_hold),
    CheckRule("experiment_readout", "the sentinel lets the treatment's texts pass", arms_behave_alike, at_once=True),
    CheckRule("experiment_readout", "the planned evidence is in, or the test is decided", sample_is_complete),
    CheckRule("lift_ledger", "predicted lifts agree with measured ones beyond chance", p_love_may_gate_launches),
)


def checks(stages: Iterable[str]) -> list[dg.AssetChecksDefinition]:
    """The checks of these stages."""
    there = {words.asset_name(name) for name in stages}
    return [as_asset_check(each) for each in EVERY if each.asset in there]


def as_asset_check(check: CheckRule) -> dg.AssetChecksDefinition:
    """One check as Dagster runs it, after its asset."""

    @dg.asset_check(asset=check.asset, name=check.name, blocking=check.blocking, description=check.description)
    def judge(run: RunResource) -> dg.AssetCheckResult:
        found = check.judge(opened_or_failed(run))
        return dg.AssetCheckResult(passed=found.passed, severity=severity(found), metadata=dict(found.seen))

    return judge


def evaluation(check: CheckRule, run: Run) -> dg.AssetCheckEvaluation:
    """One check of what a run recorded, as the event that Dagster keeps."""
    return told(check.asset, check.name, check.judge(run), blocking=check.blocking)


def told(asset: str, name: str, found: CheckVerdict, *, blocking: bool = False) -> dg.AssetCheckEvaluation:
    """A verdict as the event that Dagster keeps."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset),
        check_name=name,
        passed=found.passed,
        severity=severity(found),
        metadata=dict(found.seen),
        blocking=blocking,
    )


def severity(found: CheckVerdict) -> dg.AssetCheckSeverity:
    """A warning stops nothing and is yellow; an error is red."""
    return dg.AssetCheckSeverity.WARN if found.warn else dg.AssetCheckSeverity.ERROR
