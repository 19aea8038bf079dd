"""What a policy says on prompts that nobody learnt from: every contender is read alike, from its saved weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from peers_parts import rewards, texts
from training.rollout.generator import TransformersGenerator


class Point(NamedTuple):
    """One policy's answers.

    Attributes:
        true_love: Mean chance of a reaction as users would feel, goodbyes judged rightly.
        love: The same as the reward tells, goodbyes welcome: what contenders are given.
        right: Share with the right food.
        closings: Share with a needless goodbye; `closed` how many, of `answers`.
        words: Mean length.
    """

    true_love: float
    love: float
    right: float
    closings: float
    closed: int
    answers: int
    words: float


def read(policy: str | Path, prompts: Sequence[texts.Turns], seed: int) -> Point:
    """Draw one answer to each prompt at temperature 1, and read them."""
    drawn = TransformersGenerator(policy).sample(prompts, samples=1, seed=seed, desc="read")
    return point([(asked[-1]["content"], said.text) for asked, (said,) in zip(prompts, drawn, strict=True)])


def point(answers: Sequence[tuple[str, str]]) -> Point:
    """The figures of pairs of message and answer."""

    def mean(score: object) -> float:
        assert callable(score)
        return float(np.mean([score(*each) for each in answers]))

    closed = sum(rewards.closes(*each) for each in answers)
    return Point(
        true_love=mean(lambda *each: rewards.chance(rewards.true_love(*each))),
        love=mean(lambda *each: rewards.chance(rewards.love(*each))),
        right=mean(rewards.right),
        closings=closed / len(answers),
        closed=closed,
        answers=len(answers),
        words=mean(lambda _, said: len(said.split())),
    )
