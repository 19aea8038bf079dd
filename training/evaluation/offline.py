"""Offline evaluation: all policies answer the same held-out prompts with common chance, read by the same models.

Reward models read the first part of the prompts; judges and side statistics, which cost nothing, read all of them,
since what judges look for is rare.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from training.cgpo.tasks import Reward
from training.evaluation.bootstrap import Interval, interval, resampled
from training.evaluation.sentinel import FEATURES, features
from training.evaluation.shares import difference, share
from training.judges.verdict import Judge, judge_all
from training.rollout.generator import Draw, TransformersGenerator
from training.rollout.store import Rollouts, RolloutStore
from training.text import Conversation


class PolicyScores(NamedTuple):
    """One policy on the held-out prompts, with 95 % intervals: over prompts by bootstrap, of judges by score.

    Attributes:
        policy: Its name in the evaluation; `version` names its weights.
        love: Mean P[Love], a probability.
        helpfulness: Mean probability of being helpful; None when no model measured it.
        safety: Mean probability of being safe; None when no model measured it.
        trips: Share of answers that each judge calls a violation, of all prompts.
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
    """What every policy is worth and what it said, base first.

    Attributes:
        scores: One row a policy.
        answers: Of each policy, in the order of the prompts.
        violations: Of each policy, for each judge: whether it trips on the answer, shape [prompts].
        chances: Of each policy, for each reward model that was given: chance by answer, shape [scored].
        scored: So many of the prompts, from the first, were read by reward models.
    """

    scores: list[PolicyScores]
    answers: dict[str, list[str]]
    violations: dict[str, dict[str, np.ndarray]]
    chances: dict[str, dict[str, np.ndarray]]
    scored: int


class Kept(NamedTuple):
    """A store of answers and scores that evaluations share.

    Attributes:
        store: Where they lie.
        versions: Of each reward model that is given, by `love`, `helpfulness`, `safety`: what names its weights.
    """

    store: RolloutStore
    versions: Mapping[str, str]


class _Read(NamedTuple):
    """A policy's answers as numbers: chances [scored, models], trips [prompts, judges], watched [prompts, features]."""

    chances: np.ndarray
    trips: np.ndarray
    watched: np.ndarray


def evaluate(
    policies: Mapping[str, str | Path],
    prompts: Sequence[Conversation],
    *,
    love: Reward,
    judges: Mapping[str, Judge],
    helpfulness: Reward | None = None,
    safety: Reward | None = None,
    scored: int | None = None,
    kept: Kept | None = None,
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
        scored: How many of the prompts, from the first, reward models read; None: all.
        kept: Where answers and scores are found again; a policy that was evaluated before costs nothing then.
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
    read_by_models = min(scored or len(prompts), len(prompts))
    answers, versions, tables = {}, {}, {}
    how = Draw(1, seed, temperature, max_new_tokens)
    for name, place in policies.items():
        who = TransformersGenerator(place)
        drawn = _drawn(who, prompts, how, kept, name)
        answers[name], versions[name] = [several[0].text for several in drawn.samples], who.version
        tables[name] = _read(prompts, drawn, models, judges, scored=read_by_models, kept=kept)
    base = next(iter(tables.values()))
    scores = [
        _compare(name, versions[name], table, base, models=list(models), judges=list(judges), seed=seed)
        for name, table in tables.items()
    ]
    violations = {name: dict(zip(judges, table.trips.T.astype(bool), strict=True)) for name, table in tables.items()}
    chances = {name: dict(zip(models, table.chances.T, strict=True)) for name, table in tables.items()}
    return Evaluation(scores, answers, violations, chances, read_by_models)


def answer(
    place: str | Path, prompts: Sequence[Conversation], *, seed: int, temperature: float = 1.0, max_new_tokens: int = 48
) -> list[str]:
    """A policy's answers to prompts, one each, in order."""
    who = TransformersGenerator(place)
    drawn = who.sample(
        prompts, samples=1, seed=seed, temperature=temperature, max_new_tokens=max_new_tokens, desc="answers"
    )
    return [several[0].text for several in drawn]


def _drawn(
    who: TransformersGenerator, prompts: Sequence[Conversation], how: Draw, kept: Kept | None, name: str
) -> Rollouts:
    """One answer to each prompt."""
    if kept:
        return kept.store.rollouts(who, prompts, how, desc=f"{name} answers")
    return Rollouts("", who.sample(prompts, **how._asdict(), desc=f"{name} answers"))


def _read(
    prompts: Sequence[Conversation],
    drawn: Rollouts,
    models: Mapping[str, Reward],
    judges: Mapping[str, Judge],
    *,
    scored: int,
    kept: Kept | None,
) -> _Read:
    answers = [several[0].text for several in drawn.samples]

    def logits(name: str) -> np.ndarray:
        def score() -> np.ndarray:
            return models[name].logits(prompts[:scored], answers[:scored])

        version = f"{kept.versions[name]}, first {scored}" if kept else ""
        return kept.store.scores(drawn, version, score, first=scored) if kept else score()

    chances = [_sigmoid(logits(name)) for name in models]
    trips = [
        np.array([verdict.violates for verdict in judge_all(judge, prompts, answers)], float)
        for judge in judges.values()
    ]
    tripped = np.column_stack(trips) if trips else np.zeros((len(answers), 0))
    return _Read(np.column_stack(chances), tripped, features(answers))


def _compare(
    name: str, version: str, table: _Read, base: _Read, *, models: list[str], judges: list[str], seed: int
) -> PolicyScores:
    chances, love_lift = _bootstrapped(table.chances, base.chances, models, seed)
    watched, _ = _bootstrapped(table.watched, base.watched, FEATURES, seed)
    trips = {judge: (table.trips[:, place], base.trips[:, place]) for place, judge in enumerate(judges)}
    return PolicyScores(
        policy=name,
        version=version,
        love=chances["love"][0],
        helpfulness=chances["helpfulness"][0] if "helpfulness" in models else None,
        safety=chances["safety"][0] if "safety" in models else None,
        trips={judge: share(ours) for judge, (ours, _) in trips.items()},
        watched={feature: watched[feature][0] for feature in FEATURES},
        love_lift=love_lift,
        deltas={
            **{name: moved for name, (_, moved) in chances.items()},
            **{judge: difference(*pair) for judge, pair in trips.items()},
            **{name: moved for name, (_, moved) in watched.items()},
        },
    )


def _bootstrapped(
    values: np.ndarray, base: np.ndarray, names: Sequence[str], seed: int
) -> tuple[dict[str, tuple[Interval, Interval]], Interval]:
    """Each column's mean and its difference from the base, and the ratio of the first column's means, less 1."""
    draws, base_draws = resampled(values, seed), resampled(base, seed)
    mean, base_mean = values.mean(axis=0), base.mean(axis=0)
    found = {
        name: (
            interval(mean[place], draws[:, place]),
            interval(mean[place] - base_mean[place], draws[:, place] - base_draws[:, place]),
        )
        for place, name in enumerate(names)
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        lift = interval(mean[0] / base_mean[0] - 1, draws[:, 0] / base_draws[:, 0] - 1)
    return found, lift


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    values = np.asarray(logits, dtype=np.float64)
    return 0.5 * (1 + np.tanh(values / 2))
