"""The best of eight answers by Love, by retention and by both: what each reward wants before anything is learnt.

The answers are written with the incumbent's habits in the world's own grammar, so that nothing is garbled by a small
policy; this is what a first round of CRRAFT would imitate.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from retention_parts.arms import INCUMBENT, speaker
from stats.bootstrap import interval, resampled
from streams.synthetic import WorldConfig
from streams.synthetic.studies import sets
from streams.synthetic.truth import formulas
from training.reward.saved_reward import SavedReward

SAMPLES = 8
TRAITS = ("right", "warm", "apt", "asks_back", "emoji", "flatters", "false_refusal", "closes_needlessly")
FIGURES = ("love", "pleases", "words", *TRAITS)


def selected(place: Path, world: WorldConfig, prompts: int, seed: int) -> dict[str, dict[str, list[float]]]:
    """True figures of the chosen answers less those of a random one, with intervals over prompts.

    Args:
        place: Of the models: P[Love] in `p_love`, retention in `model`.
        world: Whose truth reads the answers.
        prompts: How many.
        seed: Of prompts and answers.

    Returns:
        By what chose (`love`, `both`, `retention`) and `apart` (retention's choice less Love's), by figure: value, low,
        high. `love` is the expected chance of a heart, `pleases` that a day ends well if this was its last response.
    """
    asked = sets.prompts("all", prompts, seed)
    answers = speaker(INCUMBENT, [seed, 8])(asked, SAMPLES, 0)
    every = [prompt for prompt in asked for _ in range(SAMPLES)]
    said = [text for several in answers for text in several]
    true = _true(every, said, world).reshape(prompts, SAMPLES, len(FIGURES))
    scores = {
        name: _logits(SavedReward(place / folder), every, said, prompts)
        for name, folder in (("love", "p_love"), ("retention", "model"))
    }
    usual = true.mean(axis=1)
    spread = {name: each / each.std() for name, each in scores.items()}
    scores["both"] = spread["love"] + spread["retention"]
    chosen = {name: true[np.arange(prompts), each.argmax(axis=1)] for name, each in scores.items()}
    changes = {name: each - usual for name, each in chosen.items()} | {"apart": chosen["retention"] - chosen["love"]}
    return {name: _intervals(each, seed) for name, each in changes.items()}


def _logits(reward: SavedReward, asked: list[Any], said: list[str], prompts: int) -> np.ndarray:
    return reward.logits(asked, said).reshape(prompts, SAMPLES)


def _true(asked: list[Any], said: list[str], world: WorldConfig) -> np.ndarray:
    readings, happy = formulas.read(asked, said), formulas.happy_chance(asked)
    glum, glad = (
        formulas.return_chance(readings, np.full(len(said), mood), stakes=world.stakes) for mood in (False, True)
    )
    love = formulas.expected_love(readings, happy, base_love_rate=world.base_love_rate)
    traits = [getattr(readings, name) for name in ("words", *TRAITS)]
    return np.column_stack([love, (1 - happy) * glum + happy * glad, *traits]).astype(np.float64)


def _intervals(changes: np.ndarray, seed: int) -> dict[str, list[float]]:
    draws = resampled(changes, seed)
    means: Mapping[str, float] = dict(zip(FIGURES, changes.mean(axis=0).tolist(), strict=True))
    return {name: [*interval(mean, draws[:, place])] for place, (name, mean) in enumerate(means.items())}
