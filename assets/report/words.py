"""The report in sentences: what a manager reads first. Every figure in them is the run's."""

from collections.abc import Sequence
from typing import NamedTuple

from assets.facts.experiment import ReportExperiment
from assets.report import adversary_words
from assets.report.history_schema import Origin
from assets.report.schema import Candidate, Ingest, PLove, Report, ReportAgreement, ReportPolicy
from assets.report.typesetting import (
    counted,
    lifts,
    listed,
    moment,
    number,
    percent,
    rate,
    sentence,
    signed,
    span,
    times,
    typeset,
)

LABELS = {
    "ship": "ship",
    "ship?": "ship? a gate failed",
    "stop": "do not ship",
    "continue": "keep testing",
    "invalid": "void test",
    "waiting": "no exposure yet",
    "unread": "not read",
    "staged": "staged, not tested",
    "held": "not to be served",
    "none": "no candidate",
}
"""What each verdict is called on the page."""


class Summary(NamedTuple):
    """A headline, what was found, what to do next, and what limits all of it.

    Attributes:
        verdict: One of `LABELS`; `ship?` where the test says ship and a gate says no.
    """

    verdict: str
    headline: str
    found: tuple[str, ...]
    next_steps: tuple[str, ...]
    notes: tuple[str, ...]


def summary(report: Report) -> Summary:
    """Say what this run means."""
    candidate = _candidate(report.candidate, report.policies)
    found = (*_feedback(report), *_model(report), *candidate, *_test(report), *_trusted(report.ledger_agreement))
    return Summary(_verdict(report), _headline(report), tuple(found), tuple(_next(report)), tuple(_notes(report)))


def source(events: str, origins: Sequence[Origin]) -> str:
    """What the run's inputs were, in a few words; simulated ones are never passed over.

    >>> labels = Origin(what="safety labels", origin="simulated annotators", simulated=True)
    >>> source("real input", [labels]), source("real input", [])
    ('real events, but simulated safety labels', 'real input')

    Args:
        events: What the events were.
        origins: Of every input.
    """
    made = [each.what for each in origins if each.simulated]
    return f"real events, but simulated {listed(made)}" if made and events.startswith("real") else events


def failed_gates(candidate: Candidate | None) -> str | None:
    """The gates that the candidate failed, as a clause; None where it passed all of them.

    >>> failed_gates(Candidate(name="love-0.1", love_weight=0.1, passed=False, gates=[]))
    'it did not pass every gate'
    """
    if candidate is None or candidate.passed:
        return None
    return _clause([gate.name for gate in candidate.gates if gate.passed is False])


def _clause(names: Sequence[str]) -> str:
    return f"it failed the gate{'s' * (len(names) > 1)} on {listed(names)}" if names else "it did not pass every gate"


def _verdict(report: Report) -> str:
    test = report.experiment
    if test is not None:
        word = "unread" if test.unread else "waiting" if test.waiting else test.decision
        return "ship?" if word == "ship" and _failed_by_tested(report) else word
    return "none" if report.candidate is None else "staged" if report.candidate.passed else "held"


def _headline(report: Report) -> str:
    name = report.candidate.name if report.candidate else "the candidate"
    if report.experiment is not None:
        return _tested(report.experiment, report.experiment.candidate or name, _forced(report))
    if report.candidate is not None:
        gates = "and passed every gate" if report.candidate.passed else f"but {failed_gates(report.candidate)}"
        return f"{name} is staged {gates}{_unmeasured(report.candidate)}; no A/B test was run"
    return "No candidate was staged in this run"


def _tests_another(report: Report) -> bool:
    """Whether the A/B test is of a candidate that an earlier cycle staged."""
    tested = report.experiment.candidate if report.experiment else None
    return bool(tested and report.candidate and tested != report.candidate.name)


def _failed_by_tested(report: Report) -> str | None:
    """The gates that the tested candidate failed, as a clause; the readout knows those of an earlier cycle's."""
    names = report.experiment.failed_gates if report.experiment else []
    if names:
        return _clause(names)
    return None if _tests_another(report) else failed_gates(report.candidate)


def _forced(report: Report) -> str:
    """What stands behind every decision on a candidate that failed a gate."""
    if not _failed_by_tested(report):
        return ""
    names = report.experiment.failed_gates if report.experiment else []
    gates = report.candidate.gates if report.candidate else []
    known = names or [gate.name for gate in gates if gate.passed is False]
    return f" (forced, failed: {', '.join(known) or 'not every gate passed'})"


def _tested(test: ReportExperiment, name: str, forced: str) -> str:
    if test.unread:
        return f"The A/B test {test.name} could not be read{forced}"
    if test.waiting:
        return f"The A/B test of {name} has no exposure yet{forced}"
    moved = f"{percent(test.lift)} loves per response ({lifts(test.deciding_ci)})"
    if test.lift is None:
        low = test.deciding_ci[0]
        moved = "its lift is not known"
        if low is not None and low > -1:
            moved = f"loves per response up from none ({lifts(test.deciding_ci)})"
    return {
        "ship": f"Ship{'?' if forced else ''} {name}: {moved}{forced}",
        "stop": f"Do not ship {name}: {moved}{_against(test)}{forced}",
        "continue": f"Keep testing {name}: {moved} so far{_open(test)}{forced}",
        "invalid": f"The test of {name} is void: its arms did not get the users that they were promised{forced}",
    }[test.decision]


def _against(test: ReportExperiment) -> str:
    """What speaks against a treatment that is not to be shipped, beside its lift."""
    broken = [each.name for each in test.guardrails if each.state == "broken"]
    if broken:
        return f", and the guardrail on {listed(broken)} is broken"
    return "" if test.lift is not None and test.lift < 0 else ", which is no case for it"


def _open(test: ReportExperiment) -> str:
    """What an undecided test has not shown yet: a lift, or that the guardrails hold."""
    low, high = test.deciding_ci
    if (low is None or low <= 0) and (high is None or high >= 0):
        return ", which shows neither gain nor loss"
    names = [each.name for each in test.guardrails if each.state == "open"]
    return f"; not shown to hold: {listed(names)}" if names else ""


def _feedback(report: Report) -> list[str]:
    lines = [] if report.ingest is None else [_flow(report.ingest)]
    return lines + (adversary_words.adversary(report.adversary) if report.adversary is not None else [])


def _flow(seen: Ingest) -> str:
    lost = "none was lost" if seen.lost == 0 else counted(seen.lost, "was lost", "were lost")
    verb = "read from the topics" if seen.from_topics else f"sent and {lost}"
    lines = counted(seen.events_sent, f"event line was {verb}", f"event lines were {verb}")
    waiting = "" if not seen.waiting else f" {_waiting(seen)}"
    return (
        f"{lines}: {counted(seen.duplicates_dropped, 'copy was', 'copies were')} dropped, "
        f"{counted(seen.retractions, 'retraction')} applied, "
        f"{counted(seen.late_joined, 'early reaction')} joined to their responses and "
        f"{counted(seen.dead_letters, 'malformed line')} kept aside with a reason.{waiting}"
    )


def _waiting(seen: Ingest) -> str:
    late = f", {seen.waiting_too_long:,} of them for too long" if seen.waiting_too_long else ""
    late = ", for too long" if seen.waiting_too_long == seen.waiting else late
    verb = "still waits" if seen.waiting == 1 else "still wait"
    return f"{counted(seen.waiting or 0, 'reaction')} {verb} for a response{late}."


def _model(report: Report) -> list[str]:
    model = report.p_love
    if model is None:
        return []
    known = f"AUROC {number(model.auroc)} ({span(model.auroc_ci, 'number', 3)})"
    best = "" if model.oracle_auroc is None else f"; the true chance itself reaches {number(model.oracle_auroc)}"
    lines = [f"P[Love] tells loved from other responses of unseen users with {known}{best}."]
    if report.bots_r is not None:
        fit = f"r = {number(report.bots_r, 2)} ({span(report.bots_r_ci, 'number', 2)})"
        bots = counted(len(report.bots or []), "logged bot")
        lines.append(f"Over {bots}, mean P[Love] and Love rate correlate with {fit}.")
    return lines


def calibration(model: PLove) -> str:
    """What calibration did to the expected calibration error, in words; empty where it was not measured."""
    before, after = model.ece_before, model.ece_after
    if before is None or after is None:
        return ""
    change = "made the chances worse" if after > before else "left them as they were" if after == before else "helped"
    told = f"calibration {change}: expected calibration error {_ece(before, after)} before, {_ece(after, before)} after"
    floor, high = model.ece_of_a_perfect_model, model.ece_of_a_perfect_model_at_most
    return told if floor is None or high is None else f"{told}; a perfect model shows {floor:.4f}, at most {high:.4f}"


def _worse(model: PLove) -> bool:
    """Calibrating made the error larger, to more than a perfect model would show by noise."""
    after = model.ece_after or 0.0
    return after > max(model.ece_before or 0.0, model.ece_of_a_perfect_model_at_most or 0.0)


def _ece(value: float, other: float) -> str:
    from stats.digits import beside

    return beside(value, other, "{:.4f}")


def _candidate(candidate: Candidate | None, policies: list[ReportPolicy]) -> list[str]:
    chosen = next((policy for policy in policies if policy.chosen), None)
    if candidate is None or chosen is None:
        return []
    held = sum(gate.passed is not None for gate in candidate.gates)
    gates = (failed_gates(candidate) or f"it passed all {held} gates") + _unmeasured(candidate)
    true = "" if chosen.true_love_lift is None else f", in truth {percent(chosen.true_love_lift)}"
    helped = "" if chosen.helpfulness_delta is None else f", {signed(chosen.helpfulness_delta)} helpfulness"
    closings = "" if chosen.closing_rate is None else f"; needless closings in {rate(chosen.closing_rate)} of responses"
    if closings and chosen.closing_ratio_ci is not None:
        closings += f", {times(chosen.closing_ratio_ci, None)} the incumbent's"
    return [
        f"The staged candidate (Love weight {candidate.love_weight:g}): {gates}. Offline it promised "
        f"{percent(chosen.love_lift)} mean P[Love]{true}{helped}{closings}."
    ]


def _unmeasured(candidate: Candidate) -> str:
    names = ", ".join(gate.name for gate in candidate.gates if gate.passed is None)
    return f" (not measured, for want of labels: {names})" if names else ""


def _test(report: Report) -> list[str]:
    test = report.experiment
    if test is None or test.waiting:
        return []
    truth = test.true_lift
    known = [] if truth is None else [f"The world's hidden truth puts the lift of this test at {percent(truth)}."]
    another = _tests_another(report)
    earlier = [f"The A/B test is of {test.candidate}, which an earlier cycle staged."] if another else []
    twice = [] if another else _two_readings(report.candidate, test)
    return [*earlier, *(sentence(reason) for reason in test.reasons), *twice, *known]


def _trusted(agreed: ReportAgreement | None) -> list[str]:
    """That P[Love] may gate launches, where the ledger shows it; where it does not, the next steps say so."""
    return [sentence(agreed.words)] if agreed is not None and agreed.passed else []


def _two_readings(candidate: Candidate | None, test: ReportExperiment) -> list[str]:
    """Where a failed gate and a held guardrail speak of the same thing: what each of them rests on."""
    failed = {gate.name: gate for gate in (candidate.gates if candidate else []) if gate.passed is False}
    return [
        f"On {guard.name} gate and test differ: offline {typeset(failed[guard.name].seen)}, in the test "
        f"{times(guard.ratio_ci, guard.most)}, both against {guard.most or 0:g} times. The gate rests on one "
        "answer to each held-out prompt, the test on every response that was served; the gate stays failed."
        for guard in test.guardrails
        if guard.name in failed and guard.state == "held"
    ]


def _notes(report: Report) -> list[str]:
    notes: list[str] = []
    seen = report.ingest
    failed, test = _failed_by_tested(report), report.experiment
    if failed and test is not None and not test.waiting:
        forced = "The A/B test was forced (experiment.force)" if test.simulated else "It was served all the same"
        notes.append(f"{forced}: {failed}.")
    made = [each.what for each in report.origins if each.simulated]
    if made and report.source.startswith("real"):
        notes.append(f"Not everything is real: {listed(made)} came from the synthetic world.")
    if seen is not None and seen.waiting_too_long:
        since = f", the oldest since {moment(seen.waiting_since)}" if seen.waiting_since else ""
        notes.append(
            f"{counted(seen.waiting_too_long, 'reaction has', 'reactions have')} waited too long for a response"
            f"{since}: responses are lost on the way to the broker, or their response_id differs."
        )
    model = report.p_love
    if model is not None and model.tested and "too few" in model.tested:
        notes.append(f"P[Love] was {model.tested}.")
    if model is not None and model.ece_before is not None and _worse(model):
        notes.append(f"On unseen users {calibration(model)}.")
    return [*notes, *report.notes]


def _next(report: Report) -> list[str]:
    test = report.experiment
    steps = [_after(test, _failed_by_tested(report))] if test is not None else []
    if report.candidate is not None and (test is None or _tests_another(report)):
        name = report.candidate.name if test is not None else "it"
        steps.append(
            f"Serve {name} to a share of users under an experiment name, then read the experiment out."
            if report.candidate.passed
            else f"Do not serve {name}: mend what the failed gates name, and train again."
        )
    if report.ingest is not None and report.ingest.lost:
        steps.append("Find the lost events before trusting any figure here.")
    if report.ingest is not None and report.ingest.waiting_too_long:
        steps.append("Compare the dead letters and the producer of response_served: some reactions have no response.")
    if report.ledger_agreement is not None and not report.ledger_agreement.passed:
        steps.append(f"Go on deciding by A/B tests, not by P[Love] alone. {sentence(report.ledger_agreement.words)}")
    return steps


def _after(test: ReportExperiment, failed: str | None) -> str:
    if test.waiting:
        return sentence(test.waiting.rstrip("."))
    if test.decision == "ship" and failed:
        return (
            f"Do not ramp it up on the test alone: {failed}. Mend that and test again, or widen the gate for a reason."
        )
    return {
        "ship": "Ramp the treatment up; its assignment is sticky, so nobody goes back to the old answers on the way.",
        "stop": "Send everyone back to the control, and read the reasons above before training the next candidate.",
        "continue": "Let the test run: it may be looked at as often as you like without spoiling it.",
        "invalid": "Find where users of one arm went missing (assignment, exposure, filter), then start anew.",
    }[test.decision]
