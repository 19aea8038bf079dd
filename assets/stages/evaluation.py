"""Offline evaluation: every policy answers the same held-out prompts and is read by the same models and judges.

Judges read all of the prompts, reward models the first `evaluation.prompts` of them: needless closings are rare, and
1,500 prompts say little about a rate of 1 %.
"""

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from assets.facts.launch import EvaluationFacts, PolicyFigures
from assets.facts.models import RewardFacts
from assets.recipe import Labelled, Recipe
from assets.run import Run
from assets.stage import Stage
from assets.stages import models, panel, policy, prompts, sentinel, standing
from assets.stages.feedback import TRAINING_SET

if TYPE_CHECKING:
    from training.evaluation.offline import Evaluation


def answered(run: Run, drawn: prompts.Prompts) -> "Evaluation":
    """The answers of the incumbent and of every policy, read by models and judges; what was kept is not done again."""
    from training.evaluation.offline import evaluate
    from training.judges import CONDITIONAL_CLOSING, UNSAFE

    places = {"incumbent": models.incumbent(run)} | {
        policy.name_of(w): run.place(f"policy-{w:g}") for w in run.recipe.policy.love_weights
    }
    return evaluate(
        places,
        drawn.conversations,
        love=policy.reward(run, "p_love"),
        helpfulness=_reader(run, "helpfulness"),
        safety=_reader(run, "safety"),
        judges=dict(policy.judges(run)) | {"closing": CONDITIONAL_CLOSING, "unsafe": UNSAFE},
        users=drawn.users,
        scored=run.recipe.evaluation.prompts,
        kept=_kept(run),
        seed=run.recipe.seed,
    )


def _evaluate(run: Run) -> EvaluationFacts:
    drawn = prompts.held_out(run)
    asked, found = drawn.conversations, answered(run, drawn)
    answers = [
        {"prompt": prompt} | {name: texts[place] for name, texts in found.answers.items()}
        for place, prompt in enumerate(asked)
    ]
    (run.cycle_directory / "answers.json").write_text(json.dumps(answers, indent=1, ensure_ascii=False))
    standing = _front(found, run.recipe.seed)
    told = sentinel.reviews(found, drawn, run.recipe.sentinel)
    sentinel.keep_examples(run, told)
    figures = [
        _row(run, each) | _closings(found, each.policy) | standing[each.policy] | _behaviours(told.get(each.policy))
        for each in found.scores
    ]
    if run.recipe.source == "world":
        _beside_the_truth(figures, asked, found.answers, run.recipe.world.base_love_rate)
    rows = [PolicyFigures(**each) for each in figures]
    lifts = ", ".join(f"{row.policy} {row.love_lift:+.0%}" for row in rows[1:])
    return EvaluationFacts(
        summary=f"predicted lift of mean P[Love]: {lifts}",
        rows=len(asked),
        scored=found.scored,
        intervals=f"intervals of means draw {found.drawn}",
        policies=rows,
        prompts=drawn.origin,
    )


def _reader(run: Run, name: Labelled) -> Any:
    """A reward model that reads the answers; None where there is none, or none that may rank: then nothing is told."""
    return policy.reward(run, name) if name in run.recipe.labelled() and standing.usable(run, name) else None


def _closings(found: Any, name: str) -> dict[str, Any]:
    """How many times as often as the incumbent a policy closes needlessly, and the counts behind it."""
    from experiments import ratio

    base = found.violations[found.scores[0].policy]["closing"]
    seen = ratio.paired(found.violations[name]["closing"], base)
    low, high = seen.ci
    return {
        "closing_ratio": seen.value,
        "closing_ratio_ci": [low, None if math.isinf(high) else high],
        "closing_counts": seen.counts,
    }


def _behaviours(told: Any) -> dict[str, Any]:
    """What the sentinel says of a policy beside the incumbent; nothing of the incumbent itself."""
    return {} if told is None else {"sentinel": told.facts()}


def _kept(run: Run) -> Any:
    """Answers and scores that another sweep of this run left: a weight more costs that policy's alone."""
    from training.evaluation.offline import Kept
    from training.rollout.store import RolloutStore

    models: dict[str, str] = {"love": "p_love"} | {name: name for name in run.recipe.labelled()}
    versions = {name: run.facts(RewardFacts, model).fingerprint for name, model in models.items()}
    return Kept(RolloutStore(run.directory / "rollouts"), versions)


def _front(found: Any, seed: int) -> dict[str, dict[str, Any]]:
    """Of each policy, incumbent included, who beats it in Love, helpfulness and safety, as far as they are measured."""
    from training.evaluation import pareto

    values = {name: np.column_stack([*models.values()]) for name, models in found.chances.items()}
    owners = None if found.owners is None else found.owners[: found.scored]
    standings = pareto.front(values, seed, clusters=owners)
    return {
        name: {"beaten_by": list(each.beaten_by), "front_share": each.front_share} for name, each in standings.items()
    }


def _row(run: Run, scores: Any) -> dict[str, Any]:
    """One policy by the names of `PolicyFigures`; what was measured has its interval beside it."""
    measures = {
        "love": scores.love,
        "love_lift": scores.love_lift,
        "love_lift_by_prompt": scores.love_lift_by_prompt,
        "helpfulness": scores.helpfulness,
        "safety": scores.safety,
        "closing_rate": scores.trips["closing"],
        "unsafe_rate": scores.trips["unsafe"],
        "length": scores.watched["words"],
        "question_rate": scores.watched["question"],
        "helpfulness_delta": scores.deltas.get("helpfulness"),
        "safety_delta": scores.deltas.get("safety"),
        "closing_delta": scores.deltas["closing"],
    }
    figures = {name: None if each is None else _number(each.value) for name, each in measures.items()}
    intervals = {
        f"{name}_ci": None if each is None else [_number(each.low), _number(each.high)]
        for name, each in measures.items()
    }
    watched = {name: _number(each.value) for name, each in scores.watched.items()}
    weight = next((w for w in run.recipe.policy.love_weights if policy.name_of(w) == scores.policy), None)
    return {
        "policy": scores.policy,
        "version": scores.version,
        "love_weight": weight,
        "watched": watched,
        "trips": {name: _number(each.value) for name, each in scores.trips.items()},
        **figures,
        **intervals,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _beside_the_truth(
    rows: list[dict[str, Any]], asked: list[prompts.Conversation], answers: dict[str, list[str]], rate: float
) -> None:
    from assets import truth

    base: dict[str, Any] = {}
    for row in rows:
        found = truth.of_answers(asked, answers[row["policy"]], rate)
        base = base or found
        row.update(found, true_love_lift=truth.lift(found["true_love"], base["true_love"]))


def stage(sweep: tuple[str, ...]) -> Stage:
    """The evaluation of a sweep, which is named by its stages."""

    def settings(recipe: Recipe) -> Any:
        return [recipe.evaluation, panel.versions(recipe), recipe.sentinel]

    return Stage(
        "offline_evaluation",
        "offline evaluation: every policy on the same held-out prompts",
        _evaluate,
        (*sweep, "incumbent", TRAINING_SET.name),
        settings,
        code=("training", "stats", "experiments.ratio", prompts.CODE),
    )
