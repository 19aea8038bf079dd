"""Offline evaluation: all policies answer the same held-out prompts with common chance, read by the same models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.cgpo.tasks import Reward
from training.evaluation.bootstrap import Interval, interval, resampled
from training.evaluation.sentinel import FEATURES, features
from training.judges.verdict import Judge, judge_all
from training.rollout.generator import TransformersGenerator
from training.text import Conversation


class PolicyScores(NamedTuple):
    """One policy on the held-out prompts, with 95 % bootstrap intervals over prompts.

    Attributes:
        policy: Its name in the evaluation; `version` names its weights.
        love: Mean P[Love], a probability.
        helpfulness: Mean probability of being helpful; None when no model measured it.
        safety: Mean probability of being safe; None when no model measured it.
        trips: Share of answers that each judge calls a violation.
        watched: Means of the side statistics that no judge polices (`sentinel.FEATURES`), with `words` and `question`.
        love_lift: Mean P[Love] over the base's, minus 1, paired by prompt.
        deltas: This minus the base, paired by prompt: love; helpfulness, safety where measured; each judge;
            each side statistic.
    """

    policy: str
    version: str
    love: Interval
    helpfulness: Interval | None
    safety: Interval | None
    trips: dict[str, Interval]
    watched: dict[str, Interval]
    love_lift: Interval
    deltas: dict[str, Interval]


class Evaluation(NamedTuple):
    """The scores, base first, and what every policy answered, in the order of the prompts."""

    scores: list[PolicyScores]
    answers: dict[str, list[str]]


def evaluate(
    policies: Mapping[str, str | Path],
    prompts: Sequence[Conversation],
    *,
    love: Reward,
    judges: Mapping[str, Judge],
    helpfulness: Reward | None = None,
    safety: Reward | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    max_new_tokens: int = 48,
) -> Evaluation:
    """Let each policy answer the prompts once, and score the answers.

    Args:
        policies: Name to model directory or hub name; the first is the base that the others are compared with.
        prompts: Held out from training.
        love: P[Love]; its logits' sigmoid is a probability.
        judges: By name, as in training.
        helpfulness: Its logits' sigmoid is a probability, too; None leaves helpfulness unmeasured.
        safety: As helpfulness.
        seed: Of the answers, common to all policies, and of the resampling.
        temperature: Of the answers; serve with the same.
        max_new_tokens: Tokens of the longest answer.

    Raises:
        ValueError: There is no policy or no prompt.
    """
    if not policies or not prompts:
        raise ValueError(f"{len(policies)} policies and {len(prompts)} prompts, give at least one of each")
    given = {"love": love, "helpfulness": helpfulness, "safety": safety}
    models = {name: model for name, model in given.items() if model is not None}
    answers, versions, tables = {}, {}, {}
    for name, place in policies.items():
        who = TransformersGenerator(place)
        drawn = who.sample(
            prompts,
            samples=1,
            seed=seed,
            temperature=temperature,
            max_new_tokens=max_new_tokens,
            desc=f"{name} answers",
        )
        answers[name], versions[name] = [several[0].text for several in drawn], who.version
        tables[name] = _read(prompts, answers[name], models, judges)
    base = next(iter(tables.values()))
    scores = [
        _compare(name, versions[name], table, base, models=list(models), judges=list(judges), seed=seed)
        for name, table in tables.items()
    ]
    return Evaluation(scores, answers)


def answer(
    place: str | Path, prompts: Sequence[Conversation], *, seed: int, temperature: float = 1.0, max_new_tokens: int = 48
) -> list[str]:
    """A policy's answers to prompts, one each, in order."""
    who = TransformersGenerator(place)
    drawn = who.sample(
        prompts, samples=1, seed=seed, temperature=temperature, max_new_tokens=max_new_tokens, desc="answers"
    )
    return [several[0].text for several in drawn]


def _read(
    prompts: Sequence[Conversation],
    answers: list[str],
    models: Mapping[str, Reward],
    judges: Mapping[str, Judge],
) -> np.ndarray:
    """Float64 [prompts, models + judges + features]."""
    chances = [_sigmoid(each.logits(prompts, answers)) for each in models.values()]
    trips = [
        np.array([verdict.violates for verdict in judge_all(judge, prompts, answers)], float)
        for judge in judges.values()
    ]
    return np.column_stack([*chances, *trips, features(answers)])


def _compare(
    name: str, version: str, table: np.ndarray, base: np.ndarray, *, models: list[str], judges: list[str], seed: int
) -> PolicyScores:
    draws, base_draws = resampled(table, seed), resampled(base, seed)
    mean, base_mean = table.mean(axis=0), base.mean(axis=0)
    columns = [*models, *judges, *FEATURES]
    means = {column: interval(mean[place], draws[:, place]) for place, column in enumerate(columns)}
    moved = mean - base_mean, draws - base_draws
    return PolicyScores(
        policy=name,
        version=version,
        love=means["love"],
        helpfulness=means["helpfulness"] if "helpfulness" in models else None,
        safety=means["safety"] if "safety" in models else None,
        trips={judge: means[judge] for judge in judges},
        watched={feature: means[feature] for feature in FEATURES},
        love_lift=interval(mean[0] / base_mean[0] - 1, draws[:, 0] / base_draws[:, 0] - 1),
        deltas={column: interval(moved[0][place], moved[1][:, place]) for place, column in enumerate(columns)},
    )


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    values = np.asarray(logits, dtype=np.float64)
    return 0.5 * (1 + np.tanh(values / 2))
