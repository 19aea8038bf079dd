"""The report in sentences: what a manager reads first. Every figure in them is the run's."""

import re
from typing import NamedTuple

from assets.report import adversary_words
from assets.report.schema import Candidate, Experiment, Pair, Policy, Report


class Summary(NamedTuple):
    """A headline, what was found, and what to do next."""

    verdict: str
    headline: str
    found: tuple[str, ...]
    next_steps: tuple[str, ...]


def summary(report: Report) -> Summary:
    """Say what this run means."""
    found = (*_feedback(report), *_model(report), *_candidate(report.candidate, report.policies), *_guards(report))
    return Summary(_verdict(report), _headline(report), tuple(found), tuple(_next(report)))


def percent(value: float | None, decimals: int = 1) -> str:
    """A share as a signed percentage.

    >>> percent(0.341), percent(None)
    ('+34.1%', 'not known')
    """
    return "not known" if value is None else typeset(f"{value * 100:+.{decimals}f}%")


def rate(value: float | None, decimals: int = 2) -> str:
    """A share as a percentage without a sign.

    >>> rate(0.0072)
    '0.72%'
    """
    return "not known" if value is None else f"{value * 100:.{decimals}f}%"


def number(value: float | None, decimals: int = 3) -> str:
    """A plain figure.

    >>> number(0.6429)
    '0.643'
    """
    return "not known" if value is None else typeset(f"{value:.{decimals}f}")


def signed(value: float | None, decimals: int = 3) -> str:
    """A plain difference, with its sign.

    >>> signed(0.1)
    '+0.100'
    """
    return "not known" if value is None else typeset(f"{value:+.{decimals}f}")


def typeset(text: str) -> str:
    """Hyphens before figures become minus signs; those inside names stay.

    >>> typeset("love-0.1: -2% to +3%") == "love-0.1: \N{MINUS SIGN}2% to +3%"
    True
    """
    return re.sub(r"(?<![\w.])-(?=[\d.])", "\N{MINUS SIGN}", text)


def span(interval: Pair | None, kind: str = "percent", decimals: int = 1) -> str:
    """An interval in words.

    >>> span((0.1, 0.25))
    '+10.0% to +25.0%'
    """
    if interval is None:
        return "not known"
    show = {"percent": percent, "rate": rate, "number": number, "signed": signed}[kind]
    low, high = interval
    if low is None and high is None:
        return "not known"
    if low is None or high is None:
        return f"at most {show(high, decimals)}" if low is None else f"at least {show(low, decimals)}"
    return f"{show(low, decimals)} to {show(high, decimals)}"


def _verdict(report: Report) -> str:
    if report.experiment is not None:
        return report.experiment.decision
    return "none" if report.candidate is None else "staged" if report.candidate.passed else "held"


def _headline(report: Report) -> str:
    name = report.candidate.name if report.candidate else "the candidate"
    experiment = report.experiment
    if experiment is not None:
        return _headlines(experiment, name)
    if report.candidate is not None:
        gates = "and passed every gate" if report.candidate.passed else "but did not pass every gate"
        return f"{name} is staged {gates}{_unmeasured(report.candidate)}; no A/B test was run"
    return "No candidate was staged in this run"


def _headlines(experiment: Experiment, name: str) -> str:
    moved = f"{percent(experiment.lift)} loves per response ({span(experiment.anytime_ci or experiment.lift_ci)})"
    return {
        "ship": f"Ship {name}: {moved}",
        "stop": f"Do not ship {name}: {moved} is not a case for it",
        "continue": f"Keep testing {name}: {moved} so far",
        "invalid": f"The test of {name} is void: its arms did not get the users that they were promised",
    }[experiment.decision]


def _feedback(report: Report) -> list[str]:
    if report.ingest is None:
        return []
    seen = report.ingest
    lost = "none was lost" if seen.lost == 0 else f"{seen.lost:,} were lost"
    lines = [
        f"{seen.events_sent:,} event lines were sent and {lost}: {seen.duplicates_dropped:,} copies were dropped, "
        f"{seen.retractions:,} retractions applied, {seen.late_joined:,} early reactions joined to their responses "
        f"and {seen.dead_letters:,} malformed lines kept aside with a reason."
    ]
    if report.adversary is not None:
        lines.extend(adversary_words.adversary(report.adversary))
    return lines


def _model(report: Report) -> list[str]:
    model = report.p_love
    if model is None:
        return []
    known = f"AUROC {number(model.auroc)} ({span(model.auroc_ci, 'number', 3)})"
    best = "" if model.oracle_auroc is None else f"; no model could exceed {number(model.oracle_auroc)}"
    lines = [f"P[Love] tells loved from other responses of unseen users with {known}{best}."]
    if report.bots_r is not None:
        fit = f"r = {number(report.bots_r, 2)} ({span(report.bots_r_ci, 'number', 2)})"
        lines.append(f"Over {len(report.bots or [])} logged bots, mean P[Love] and Love rate correlate with {fit}.")
    return lines


def _candidate(candidate: Candidate | None, policies: list[Policy]) -> list[str]:
    chosen = next((policy for policy in policies if policy.chosen), None)
    if candidate is None or chosen is None:
        return []
    failed = [gate.name for gate in candidate.gates if gate.passed is False]
    held = sum(gate.passed is not None for gate in candidate.gates)
    gates = f"passed all {held} gates" if not failed else f"failed: {', '.join(failed)}"
    gates += _unmeasured(candidate)
    true = "" if chosen.true_love_lift is None else f", in truth {percent(chosen.true_love_lift)}"
    return [
        f"The staged candidate (Love weight {candidate.love_weight:g}) {gates}. Offline it promised "
        f"{percent(chosen.love_lift)} mean P[Love]{true}, {signed(chosen.helpfulness_delta)} helpfulness and needless "
        f"closings in {rate(chosen.closing_rate)} of responses."
    ]


def _unmeasured(candidate: Candidate) -> str:
    names = ", ".join(gate.name for gate in candidate.gates if gate.passed is None)
    return f" (not measured, for want of labels: {names})" if names else ""


def _guards(report: Report) -> list[str]:
    if report.experiment is None:
        return []
    truth = report.experiment.true_lift
    known = [] if truth is None else [f"The world's hidden truth puts the lift of this test at {percent(truth)}."]
    return [*(sentence(reason) for reason in report.experiment.reasons), *known]


def _next(report: Report) -> list[str]:
    experiment = report.experiment
    steps = [] if experiment is None else [_after(experiment)]
    if experiment is None and report.candidate is not None:
        steps.append(
            "Serve it to a share of users under an experiment name, then read the experiment out."
            if report.candidate.passed
            else "Do not serve it: mend what the failed gates name, and train again."
        )
    if report.ingest is not None and report.ingest.lost:
        steps.append("Find the lost events before trusting any figure here.")
    if report.ledger_agreement is not None and not report.ledger_agreement.passed:
        steps.append(f"Go on deciding by A/B tests, not by P[Love] alone. {sentence(report.ledger_agreement.words)}")
    return steps


def _after(experiment: Experiment) -> str:
    return {
        "ship": "Ramp the treatment up; its assignment is sticky, so nobody goes back to the old answers on the way.",
        "stop": "Send everyone back to the control, and read the reasons above before training the next candidate.",
        "continue": "Let the test run: it may be looked at as often as you like without spoiling it.",
        "invalid": "Find where users of one arm went missing (assignment, exposure, filter), then start anew.",
    }[experiment.decision]


def sentence(text: str) -> str:
    """A reason as a sentence: a capital, minus signs, a full stop."""
    return typeset(f"{text[:1].upper()}{text[1:]}.")
