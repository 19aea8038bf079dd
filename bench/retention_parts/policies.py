"""One small policy, optimised for Love, for retention and for both: same start, prompts, steps and kind of reward."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from retention_parts.arms import AnswerPool
from retention_parts.tests import served, true_returns
from streams.synthetic import WorldConfig
from streams.synthetic.studies import sets
from streams.synthetic.truth import formulas
from training.cgpo.config import CgpoConfig
from training.cgpo.loop import optimise
from training.cgpo.tasks import Task
from training.policy.load import fingerprint
from training.reward.config import RewardConfig, ViewsConfig
from training.reward.saved_reward import SavedReward
from training.reward.train import train_reward_model

WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "love": {"love": 1.0, "retention": 0.0},
    "both": {"love": 0.5, "retention": 0.5},
    "retention": {"love": 0.0, "retention": 1.0},
}
"""Of the two rewards; at weight 0 a task's prompts stay, so that all three learn from as many samples."""
_SUPERVISED = 4_000
"""Logged conversations from which those are drawn that keep the language."""
TRAITS = ("right", "warm", "apt", "asks_back", "emoji", "flatters", "false_refusal", "closes_needlessly", "fluent")
ANSWERS = 2


def logged_rows(log: Path, most: int) -> pa.Table:
    """So many logged conversations with their responses, always the same."""
    from warehouse import connection

    query = "SELECT conversation, response FROM served ORDER BY hash(response_id), response_id LIMIT ?"
    with connection.open(log).read() as reader:
        return reader.execute(query, [most]).to_arrow_table()


class Sizes(NamedTuple):
    """How much is learnt from and asked."""

    love_rows: int
    rounds: int
    prompts: int
    asked: int
    users: int
    chosen: int


def love_model(log: Path, encoder: Path, world: WorldConfig, sizes: Sizes, target: Path) -> None:
    """P[Love] from the same log, by the same kind of head over the same encoder as the reward of retention."""
    from assets.stages.labels import from_training_set
    from warehouse import training_set

    folder = target.with_name("training-sets")
    made = training_set.build(log, folder, as_of=world.ends_at, maturity_hours=24.0)
    rows = from_training_set(training_set.load(folder / made.hash[:12]))
    some = np.sort(np.random.default_rng(world.seed).permutation(rows.num_rows)[: sizes.love_rows])
    views = ViewsConfig(head="logistic", context=(), strengths=(3.0, 30.0, 300.0))
    config = RewardConfig(model="views", views=views, seed=world.seed, evaluation_rows=1_500)
    train_reward_model(rows.take(pa.array(some)), target, base=encoder, config=config, name="p_love", lineage={})


def optimised(place: Path, name: str, sizes: Sizes, seed: int, target: Path) -> None:
    """Optimise the policy that wrote the log, without judges: each reward shows what it wants."""
    encoder = place / "encoder"
    rewards = {"love": place / "p_love", "retention": place / "model"}
    count = sizes.rounds * sizes.prompts
    prompts = sets.prompts("all", 2 * count, seed + 1)
    tasks = [
        Task(
            each,
            prompts[half * count : (half + 1) * count],
            SavedReward(rewards[each]),
            weight,
            reward_version=fingerprint(rewards[each]),
        )
        for half, (each, weight) in enumerate(WEIGHTS[name].items())
    ]
    config = CgpoConfig(rounds=sizes.rounds, prompts=sizes.prompts, seed=seed)
    logged = logged_rows(place / "log.duckdb", _SUPERVISED)
    optimise(encoder, target, tasks=tasks, judges={}, config=config, supervised=logged, rollouts=place / "rollouts")


def effects(places: Mapping[str, Path], world: WorldConfig, sizes: Sizes, seed: int) -> dict[str, dict[str, float]]:
    """What each policy truly does to the same prompts and the same people, by name.

    `love`: expected loves per answer; `pleases`: chance that a day ends well if this was its last response;
    `returns`: share of people who return 14 to 20 days after their first day, all living under the policy; traits.
    """
    from training.rollout.generator import TransformersGenerator

    asked = sets.prompts("all", sizes.asked, seed + 5_000)
    answers: dict[str, list[list[list[str]]]] = {}
    found: dict[str, dict[str, float]] = {}
    for name, place in places.items():
        drawn = TransformersGenerator(place).sample(asked, samples=ANSWERS, seed=seed, desc=name)
        texts = [[each.text for each in several] for several in drawn]
        answers[name] = [[[text] for text in several] for several in texts]
        found[name] = _read([prompt for prompt in asked for _ in range(ANSWERS)], [*chain.from_iterable(texts)], world)
    pool = AnswerPool(asked, [[] for _ in asked], {"control" if n == "incumbent" else n: a for n, a in answers.items()})
    exposures = int(sizes.users * 21 * world.responses / world.users / world.days)
    lived = true_returns(served(pool, world, users=sizes.users, exposures=exposures, days=21, seed=seed + 300))
    for name in places:
        found[name]["returns"] = lived["control" if name == "incumbent" else name]
    return found


def _read(asked: list[Any], said: list[str], world: WorldConfig) -> dict[str, float]:
    readings = formulas.read(asked, said)
    happy = formulas.happy_chance(asked)
    love = formulas.expected_love(readings, happy, base_love_rate=world.base_love_rate)
    glum, glad = (
        formulas.return_chance(readings, np.full(len(said), mood), stakes=world.stakes) for mood in (False, True)
    )
    traits = {name: float(np.mean(getattr(readings, name))) for name in TRAITS}
    pleases = float(((1 - happy) * glum + happy * glad).mean())
    return {"love": float(love.mean()), "pleases": pleases, "words": float(readings.words.mean()), **traits}
