"""The sets of the trial, as rows with their parts and the figure that unseen rows are measured by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from real_rewards_parts import sets
from real_rewards_parts.figures import won
from reward_world_parts import rows as world_rows
from rluf_parts import world

from assets.lock import alone
from assets.recipe import Recipe
from assets.run import Run
from assets.stages import labels
from multiview_parts import learning, views
from multiview_parts.learning import Lesson
from stats.estimate import Floats
from stats.metrics import auroc
from training.reward.config import RewardConfig
from training.reward.data import Rows, read_examples, subsample
from training.reward.frozen_layers import States
from training.reward.split import divided, opening, split_labels
from training.text import Conversation

WORLD, SMALL_WORLD = {"responses": 100_000, "users": 8_000}, {"responses": 30_000, "users": 3_000}
HELD, PART = 4_000, 400
"""Rows of the world's test users that are scored; of a quick run, rows of a real set and of the world's test users."""
EPOCHS = {"world": 2, "convai": 2, "hh_harmless": 4}
WINDOWS = {"world": 64, "convai": 64, "hh_harmless": 96}
"""Tokens."""


class Trial(NamedTuple):
    """A set, divided by one seed.

    Attributes:
        name: Of the set.
        conversations: Of each row.
        responses: Of each row.
        labels: Targets, [rows]; what stands there of test rows is not looked at.
        weights: Trust, [rows].
        train: Rows to learn from.
        validation: Rows of other users or conversations, on which the best epoch is chosen.
        test: Rows of yet others.
        measure: From the scores of `test` to the figure.
    """

    name: str
    conversations: Sequence[Conversation]
    responses: Sequence[str]
    labels: Floats
    weights: Floats
    train: Rows
    validation: Rows
    test: Rows
    measure: Callable[[Floats], float]


def of(name: str, seed: int, data: Path, work: Path, *, quick: bool) -> Trial:
    """A set under a seed, which decides its parts; of the world all of it."""
    config = RewardConfig(seed=seed)
    if name == "world":
        return _world(config, work, quick=quick)
    return (_convai if name == "convai" else _harmless)(data, config, quick=quick)


def lesson(trial: Trial, seed: int, known: States, *, quick: bool) -> tuple[Lesson, Rows]:
    """What is learnt from, with all rows read that are needed (into `known`), and where the test rows stand in it."""
    random, rate = np.random.default_rng(seed), RewardConfig().positive_rate
    watched = trial.validation[subsample(trial.labels[trial.validation], rate, random)[0]]
    epochs = range(1 if quick else EPOCHS[trial.name])
    drawn = [trial.train[subsample(trial.labels[trial.train], rate, random)[0]] for _ in epochs]
    used, place = np.unique(np.concatenate([*drawn, watched, trial.test]), return_inverse=True)
    parts = np.split(place, np.cumsum([len(each) for each in (*drawn, watched)]))
    asked, said = ([column[row] for row in used] for column in (trial.conversations, trial.responses))
    texts = views.read(asked, said, WINDOWS[trial.name], known)
    steps = learning.batches(texts, parts[: len(drawn)], seed)
    return Lesson(texts, trial.labels[used], trial.weights[used], steps, parts[-2]), parts[-1]


def _world(config: RewardConfig, work: Path, *, quick: bool) -> Trial:
    """A world of its own for each seed; test users' rows of all days, of which the truth says the chance of a love."""
    run = _made(config.seed, work, quick=quick)
    examples = read_examples(labels.from_training_set(world_rows.log(run)))
    parts = divided(examples, config, "users")
    held = world_rows.held_out(run, test_users=config.test_users, most=PART if quick else HELD)
    count, more = len(examples.labels), len(held.responses)
    return Trial(
        "world",
        [*examples.conversations, *held.conversations],
        [*examples.responses, *held.responses],
        np.concatenate([examples.labels, held.chance]),
        np.concatenate([examples.weights, np.ones(more)]),
        parts.train,
        parts.validation,
        np.arange(count, count + more),
        lambda scores: auroc(held.chance, scores),
    )


def _made(seed: int, work: Path, *, quick: bool) -> Run:
    size = {"world": SMALL_WORLD if quick else WORLD}
    recipe = Recipe.model_validate(
        world.merged(world.recipe_of(seed, quick=False).model_dump(exclude_unset=True), size)
    )
    run = Run((work / f"{'quick' if quick else 'seed'}-{seed}").resolve(), recipe)
    run.directory.mkdir(parents=True, exist_ok=True)
    with alone(run.directory, "bench/multiview.py"):
        world.share(run, lambda _: None, last="training_set")
    return run


def _convai(data: Path, config: RewardConfig, *, quick: bool) -> Trial:
    talks = sets.convai(data)
    count = 4 * PART if quick else len(talks.loves)
    parts = split_labels(
        talks.loves[:count], talks.users[:count].tolist(), test=config.test_users, validation=config.validation_users,
        seed=config.seed,
    )  # fmt: skip
    return Trial(
        "convai", talks.conversations, talks.responses, talks.loves, np.ones(len(talks.loves)), *parts[:3],
        lambda scores: auroc(talks.loves[parts.test], scores),
    )  # fmt: skip


def _harmless(data: Path, config: RewardConfig, *, quick: bool) -> Trial:
    """Each answer by itself; those to conversations that begin alike stay together."""
    pairs = sets.hh_harmless(data)
    pairs = sets.Pairs(*(column[: PART if quick else None] for column in pairs))
    talks = [each for each in pairs.conversations for _ in range(2)]
    said = [text for two in zip(pairs.chosen, pairs.rejected, strict=True) for text in two]
    better = np.tile([1.0, 0.0], len(pairs.chosen))
    begun = [opening(talk[:1], "") for talk in talks]
    shares = {"test": config.test_users, "validation": config.validation_users}
    parts = split_labels(better, begun, **shares, seed=config.seed)
    return Trial(
        "hh_harmless", talks, said, better, np.ones(len(said)), *parts[:3],
        lambda scores: won(scores[0::2], scores[1::2]),
    )  # fmt: skip
