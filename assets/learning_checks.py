"""What must hold of what was learnt before anything comes after it: the incumbent, the policies, their evaluation.

The policies are judged by what their rounds recorded. A stage stops by itself where nothing can be learnt at all; these
rules stop what could be learnt and should not be used.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from assets.facts.launch import EvaluationFacts
from assets.facts.models import IncumbentFacts, PolicyFacts
from assets.run import Run
from assets.verdict import CheckVerdict

MOST_CUT = 0.5
"""Share of what was to be learnt that the KL limit may take away: above it the policy has mostly left its limit."""
FEWEST_SAMPLES = 50
"""Samples of a task in a round below which no share is taken of them."""


def incumbent_learnt_the_log(run: Run) -> CheckVerdict:
    """A small incumbent guesses the next token better than blindly; one that the recipe names is taken as it is."""
    facts = run.facts(IncumbentFacts)
    if facts.base:
        return CheckVerdict(True, {"base": facts.base, "rule": "a model that the recipe names is taken as it is"})
    assert facts.loss is not None  # one that was fitted has both
    assert facts.vocabulary is not None
    loss, blind = facts.loss, math.log(facts.vocabulary)
    rule = "nats a token below those of guessing blindly"
    return CheckVerdict(math.isfinite(loss) and loss < blind, {"loss": loss, "guessing": blind, "rule": rule})


def figures_are_finite(run: Run) -> CheckVerdict:
    """Every loss, reward, share and KL of every round is a number."""
    wrong = [
        f"{policy}, round {each['round']}: {name}"
        for policy, each in _rounds(run)
        for name, value in _numbers(each)
        if not math.isfinite(value)
    ]
    return CheckVerdict(not wrong, {"not finite": "; ".join(wrong) or "none", "rule": "no NaN and no infinity"})


def every_round_taught_something(run: Run) -> CheckVerdict:
    """In every round steps were taken on samples of the policy's own, not on the reference's answers alone."""
    seen, wrong = {}, []
    for policy, each in _rounds(run):
        prompts = sum(task["prompts"] for task in each["tasks"])
        own = prompts - sum(task["fallback"] + task["skipped"] for task in each["tasks"])
        seen[f"{policy}, round {each['round']}"] = f"{own:,} of {prompts:,} prompts, {each['steps']:,} steps"
        if not (own and each["steps"] and each["winners"] + each.get("pairs", 0)):
            wrong.append(f"{policy}, round {each['round']}")
    rule = "a sample of its own to learn from, and a step"
    return CheckVerdict(not wrong, {**seen, "taught nothing": "; ".join(wrong) or "none", "rule": rule})


def judges_let_policies_pass(run: Run) -> CheckVerdict:
    """In the last round no judge trips on more of a task's samples than the recipe allows, cut-off ones included."""
    most, found = run.recipe.policy.most_trips, {}
    for policy, task in _last(run):
        samples = task["prompts"] * run.recipe.policy.config.for_task(task["task"]).samples
        if samples >= FEWEST_SAMPLES and task["trips"]:
            name, share = max(task["trips"].items(), key=lambda each: float(each[1]))
            found[f"{policy}, {task['task']}"] = (name, float(share))
    wrong = [f"{where}: {name} {share:.0%}" for where, (name, share) in found.items() if share > most]
    seen = {where: f"{name} {share:.1%}" for where, (name, share) in found.items()}
    rule = f"at most {most:.0%} (policy.most_trips)"
    return CheckVerdict(not wrong, {**seen, "too many": "; ".join(wrong) or "none", "rule": rule})


def policies_stay_near_the_incumbent(run: Run) -> CheckVerdict:
    """In the last round the policy lies within its KL limit, which takes away at most half of what it learns."""
    seen, wrong = {}, []
    for policy, task in _last(run):
        limit = run.recipe.policy.config.for_task(task["task"]).kl_limit
        where = f"{policy}, {task['task']}"
        seen[where] = f"{task['log_ratio']:.3f} of {limit:g} nats a token, {task['kl_cut']:.0%} cut"
        if not (task["log_ratio"] <= limit and task["kl_cut"] <= MOST_CUT):
            wrong.append(where)
    rule = f"mean log-ratio within the limit, at most {MOST_CUT:.0%} cut by it"
    return CheckVerdict(not wrong, {**seen, "too far": "; ".join(wrong) or "none", "rule": rule})


def every_policy_was_measured(run: Run) -> CheckVerdict:
    """Every Love weight has a row with a mean P[Love], and says something."""
    rows = {each.policy: each for each in run.facts(EvaluationFacts).policies}
    weights = [f"love-{weight:g}" for weight in run.recipe.policy.love_weights]
    missing = [name for name in ["incumbent", *weights] if name not in rows]
    wrong = [name for name, row in rows.items() if not (_finite(row.love) and (row.length or 0) > 0)]
    rule = "a mean P[Love] and at least a word of each"
    seen = {name: f"P[Love] {row.love}, {row.length} words" for name, row in rows.items()}
    told = "; ".join([*missing, *wrong]) or "none"
    return CheckVerdict(not (missing or wrong), {**seen, "not measured": told, "rule": rule})


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _rounds(run: Run) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every round of every policy that is there, with the policy's name."""
    for weight in run.recipe.policy.love_weights:
        there = run.facts_or_none(PolicyFacts, f"policy-{weight:g}")
        for each in there.rounds if there else ():
            yield f"love-{weight:g}", each


def _last(run: Run) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every task of every policy's last round, with the policy's name."""
    for policy, last in dict(_rounds(run)).items():
        for task in last["tasks"]:
            yield policy, task


def _numbers(found: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, float]]:
    """Every number in a record, by its place in it."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{within}{name} ")
        elif isinstance(value, list):
            for each in value:
                yield from _numbers(each, f"{within}{each.get('task', name)} ")
        elif isinstance(value, int | float):
            yield f"{within}{name}", float(value)
