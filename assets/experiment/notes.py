"""What earlier experiments, the plan and the days say of a lift beside the test: shown, never deciding."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from warehouse.connection import Target

MOST_BY_DAY: Final = 5_000_000
"""Exposures up to which each reading asks for the days: more of them take longer than all the rest."""


def notes(target: "Target", facts: Mapping[str, Any], before: Mapping[str, Any], *, as_of: datetime) -> list[str]:
    """Sentences, each as far as there is something to say.

    Args:
        target: The warehouse.
        facts: A reading.
        before: The reading before it, empty where there is none.
        as_of: The reading's moment.
    """
    return [*_believed(target, facts), *_stopped(facts, before), *_by_day(target, facts, as_of)]


def _error(facts: Mapping[str, Any]) -> float | None:
    """The standard error of the log ratio of loves per exposure, from its interval of one look."""
    from experiments.ledger import standard_error

    error = standard_error(facts["lift"], tuple(facts["lift_ci"]))
    return None if error is None or facts["lift"] is None else error / (1 + facts["lift"])


def _believed(target: "Target", facts: Mapping[str, Any]) -> Iterator[str]:
    """The lift after all experiments of the ledger but this one."""
    from experiments.bayes import posterior, prior_from
    from experiments.lifts import known_errors
    from warehouse import queries

    error = _error(facts)
    if error is None or facts["lift"] is None or facts["lift"] <= -1 or facts["decision"] == "invalid":
        return
    rows = [each for each in queries.ledger(target) if each["experiment"] != facts["name"]]
    measured = [each for each in rows if each["measured_lift"] is not None and each["measured_lift"] > -1]
    known = [each for each in measured if known_errors(each.get("measured_error") or 0.0)]
    lifts = [math.log1p(each["measured_lift"]) for each in known]
    errors = [each["measured_error"] / (1 + each["measured_lift"]) for each in known]
    prior = prior_from(lifts, errors)
    yield f"loves per response, {posterior(math.log1p(facts['lift']), error, prior).words} (prior {prior.words})"


def _stopped(facts: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """The lift of a test that has shown something, without what its stopping adds to it."""
    from experiments.shrinkage import shrunk

    found = facts["evidence"]
    if not found["shown"] or found["log_ratio"] is None or not found["error"]:
        return
    earlier = before.get("evidence") or {}
    last = min(earlier.get("information") or 0.0, found["information"] * 0.999)
    if earlier.get("shown") or last <= 0:
        # only at a look that ends a test after others did not, is its estimate too large by them; a test that went on
        # after it had shown something is not at that look any more
        return
    alpha = 1 - facts["plan"]["confidence"]
    less = shrunk(found["log_ratio"], found["error"], found["information"], last_look=max(last, 0.0), alpha=alpha)
    yield (
        f"a test that stops when it shows something shows too much: without that, {math.expm1(less):+.1%} "
        f"in place of {found['lift']:+.1%}"
    )


def _by_day(target: "Target", facts: Mapping[str, Any], as_of: datetime) -> Iterator[str]:
    """Whether the effect fades with the user's days."""
    from experiments.trends import by_day
    from warehouse.experiment_series import user_days

    if not 0 < facts["rows"] <= MOST_BY_DAY:
        return
    arms = (facts["control"], facts["treatment"])
    rows = user_days(target, facts["name"], arms, as_of, maturity_hours=facts["maturity_hours"])
    columns = {name: rows[name].to_numpy() for name in ("user", "day", "loves", "exposures")}
    if not len(rows) or columns["day"].max() < 2:
        return
    treated = [each == arms[1] for each in rows["arm"].to_pylist()]
    yield by_day(columns["loves"], columns["exposures"], treated, columns["day"], columns["user"]).words
