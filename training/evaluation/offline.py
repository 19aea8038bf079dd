"""Offline evaluation: all policies answer the same held-out prompts with common chance, read by the same models.

Reward models read the first part of the prompts; judges and side statistics, which cost nothing, read all of them,
since what judges look for is rare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Unpack

import numpy as np

from stats.bootstrap import interval, resampled
from stats.clusters import FEWEST
from stats.estimate import Estimate
from stats.shares import difference, share
from streams.record_fields import fields_of
from training.cgpo.tasks import TaskReward
from training.judges.verdict import Judge, judge_all
from training.policy.decoding import EVALUATED
from training.policy.load import check_place
from training.rollout.generator import Draw, Drawing, Generator, Sample, TransformersGenerator, version_of
from training.rollout.store import Rollouts, RolloutStore
from training.text import Conversation
from training.text_features import FEATURES, features

_NAMED = ("love", "helpfulness", "safety")


@dataclass(frozen=True, slots=True)
class PolicyScores:
    """One policy on the held-out prompts, with 95 % intervals: of means by bootstrap, of judges by score.

    Attributes:
        policy: Its name in the evaluation; `version` names its weights.
        love: Mean P[Love], a probability.
        helpfulness: Mean probability of being helpful; None when no model measured it.
        safety: Mean probability of being safe; None when no model measured it.
        trips: Share of answers that each judge calls a violation, of all prompts.
        watched: Means of the side statistics that no judge polices (`sentinel.FEATURES`), with `words` and `question`.
        love_lift: Mean P[Love] over the base's, minus 1, paired by prompt.
        deltas: This minus the base, paired by prompt: love; helpfulness, safety and others where measured; each judge;
            each side statistic.
        others: Mean probability by each other reward model.
        love_lift_by_prompt: `love_lift` as if each prompt were a user's of its own; the same where no user is known.
    """

    policy: str
    version: str
    love: Estimate
    helpfulness: Estimate | None
    safety: Estimate | None
    trips: dict[str, Estimate]
    watched: dict[str, Estimate]
    love_lift: Estimate
    deltas: dict[str, Estimate]
    others: dict[str, Estimate]
    love_lift_by_prompt: Estimate


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What every policy is worth and what it said, base first.

    Attributes:
        scores: One row a policy.
        answers: Of each policy, in the order of the prompts.
        violations: Of each policy, for each judge: whether it trips on the answer, shape [prompts].
        chances: Of each policy, for each reward model that was given: chance by answer, shape [scored].
        scored: So many of the prompts, from the first, were read by reward models.
        drawn: What the intervals of means draw again, in words: users with all their prompts, or prompts.
        owners: Whose each prompt is, where users are drawn; None where prompts are.
    """

    scores: list[PolicyScores]
    answers: dict[str, list[str]]
    violations: dict[str, dict[str, np.ndarray]]
    chances: dict[str, dict[str, np.ndarray]]
    scored: int
    drawn: str
    owners: Sequence[str] | None


class Kept(NamedTuple):
    """A store of answers and scores that evaluations share.

    Attributes:
        store: Where they lie.
        versions: Of each reward model that is given, by `love`, `helpfulness`, `safety` or name: names its weights.
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
    love: TaskReward,
    judges: Mapping[str, Judge],
    helpfulness: TaskReward | None = None,
    safety: TaskReward | None = None,
    others: Mapping[str, TaskReward] | None = None,
    users: Sequence[str] | None = None,
    scored: int | None = None,
    kept: Kept | None = None,
    seed: int = 0,
    temperature: float = EVALUATED.temperature,
    max_new_tokens: int = EVALUATED.max_tokens,
) -> Evaluation:
    """Let each policy answer the prompts once, and score the answers.

    Args:
        policies: Name to model directory or hub name; the first is the base that the others are compared with.
        prompts: Held out from training.
        love: P[Love]; its logits' sigmoid is a probability.
        judges: By name, as in training.
        helpfulness: Its logits' sigmoid is a probability, too; None leaves helpfulness unmeasured.
        safety: As helpfulness.
        others: More reward models by name, to see whether what P[Love] likes is liked by others too.
        users: Who sent each prompt: whole users are then drawn again, since prompts of one are not independent.
        scored: How many of the prompts, from the first, reward models read; None: all.
        kept: Where answers and scores are found again; a policy that was evaluated before costs nothing then.
        seed: Of the answers, common to all policies, and of the resampling.
        temperature: Of the answers; serve with the same.
        max_new_tokens: Tokens of the longest answer.

    Raises:
        ValueError: There is no policy or no prompt, or not one user for each prompt.
    """
    if not policies or not prompts:
        raise ValueError(f"{len(policies)} policies and {len(prompts)} prompts, give at least one of each")
    if users is not None and len(users) != len(prompts):
        raise ValueError(f"{len(users):,} users for {len(prompts):,} prompts, must be one for each")
    given = {"love": love, "helpfulness": helpfulness, "safety": safety, **(others or {})}
    models = {name: model for name, model in given.items() if model is not None}
    read_by_models = min(scored or len(prompts), len(prompts))
    answers, versions, tables = {}, {}, {}
    how = Draw(1, seed, temperature, max_new_tokens)
    for name, place in policies.items():
        who = LateGenerator(place)
        drawn = _drawn(who, prompts, how, kept, name)
        answers[name], versions[name] = [several[0].text for several in drawn.samples], who.version
        tables[name] = _read(prompts, drawn, models, judges, scored=read_by_models, kept=kept)
    base, chance = next(iter(tables.values())), _Chance(seed, *_owners(users))
    scores = [
        _compare(name, versions[name], table, base, models=list(models), judges=list(judges), chance=chance)
        for name, table in tables.items()
    ]
    violations = {name: dict(zip(judges, table.trips.T.astype(bool), strict=True)) for name, table in tables.items()}
    chances = {name: dict(zip(models, table.chances.T, strict=True)) for name, table in tables.items()}
    return Evaluation(scores, answers, violations, chances, read_by_models, chance.words, chance.owners)


def answer(
    place: str | Path,
    prompts: Sequence[Conversation],
    *,
    seed: int,
    temperature: float = EVALUATED.temperature,
    max_new_tokens: int = EVALUATED.max_tokens,
) -> list[str]:
    """A policy's answers to prompts, one each, in order."""
    who = TransformersGenerator(place)
    drawn = who.sample(
        prompts, samples=1, seed=seed, temperature=temperature, max_new_tokens=max_new_tokens, desc="answers"
    )
    return [several[0].text for several in drawn]


class LateGenerator:
    """A policy that is loaded when something is to be drawn: answers that are kept need its name alone.

    Args:
        place: As `TransformersGenerator` takes it.

    Raises:
        FileNotFoundError: There is no model at `place`.
    """

    engine = TransformersGenerator.engine

    def __init__(self, place: str | Path) -> None:
        check_place(place)
        self._place = place
        self.version = version_of(place)

    def sample(
        self, conversations: Sequence[Conversation], *, desc: str = "sample", **how: Unpack[Drawing]
    ) -> list[list[Sample]]:
        """Draw responses to each conversation."""
        return TransformersGenerator(self._place, self.version).sample(conversations, desc=desc, **how)


class _Chance(NamedTuple):
    """What is drawn again for an interval: with which seed, whose prompts go together, and both in words."""

    seed: int
    owners: Sequence[str] | None
    words: str


def _owners(users: Sequence[str] | None) -> tuple[Sequence[str] | None, str]:
    count = len({*users}) if users is not None else 0
    if users is None:
        return None, "prompts, of which nobody knows who sent them"
    if count < FEWEST:
        return None, f"prompts, since there are {count} users and intervals over fewer than {FEWEST} are narrow"
    return users, f"{count:,} users, each with all prompts"


def _drawn(who: Generator, prompts: Sequence[Conversation], how: Draw, kept: Kept | None, name: str) -> Rollouts:
    """One answer to each prompt."""
    if kept:
        return kept.store.rollouts(who, prompts, how, desc=f"{name} answers")
    return Rollouts("", who.sample(prompts, **fields_of(how), desc=f"{name} answers"))


def _read(
    prompts: Sequence[Conversation],
    drawn: Rollouts,
    models: Mapping[str, TaskReward],
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
    name: str, version: str, table: _Read, base: _Read, *, models: list[str], judges: list[str], chance: _Chance
) -> PolicyScores:
    chances, love_lift = _bootstrapped(table.chances, base.chances, models, chance)
    watched, _ = _bootstrapped(table.watched, base.watched, FEATURES, chance)
    alone = chance._replace(owners=None)
    by_prompt = love_lift if chance.owners is None else _bootstrapped(table.chances, base.chances, models, alone)[1]
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
        others={name: chances[name][0] for name in models if name not in _NAMED},
        love_lift_by_prompt=by_prompt,
    )


def _bootstrapped(
    values: np.ndarray, base: np.ndarray, names: Sequence[str], chance: _Chance
) -> tuple[dict[str, tuple[Estimate, Estimate]], Estimate]:
    """Each column's mean and its difference from the base, and the ratio of the first column's means, less 1."""
    owners = None if chance.owners is None else chance.owners[: len(values)]
    draws, base_draws = (resampled(each, chance.seed, clusters=owners) for each in (values, base))
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
