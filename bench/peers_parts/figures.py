"""Two contenders compared: at equal Love, in seconds a step, in goodbyes. Pure functions of what was measured."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from peers_parts.reading import Point


class Level(NamedTuple):
    """A rival's closings where its true Love is what ours is.

    Attributes:
        closings: Share of answers with a needless goodbye.
        true_love: Where on the rival's course they were read.
        reached: False when the rival never gets that far, and its best point was taken: at less Love than ours.
    """

    closings: float
    true_love: float
    reached: bool


class Ratio(NamedTuple):
    """A ratio of two shares with its 95 % interval."""

    value: float
    low: float
    high: float


def at_equal(course: Sequence[Point], wanted: float) -> Level:
    """Where a course of policies, from the incumbent on, first reaches a level of true Love; linear in between.

    >>> here = Point(0.2, 0, 0, 0.04, 40, 1000, 5)
    >>> there = here._replace(true_love=0.4, closings=0.08)
    >>> at_equal([here, there], 0.3).closings, at_equal([here, there], 0.5).reached
    (0.06, False)
    """
    for before, after in pairwise(course):
        if before.true_love <= wanted <= after.true_love:
            width = after.true_love - before.true_love
            part = (wanted - before.true_love) / width if width else 1.0
            return Level(before.closings + part * (after.closings - before.closings), wanted, True)
    best = max(course, key=lambda each: each.true_love)
    return Level(best.closings, best.true_love, best.true_love >= wanted)


def ratio(one: int, of: int, other: float, out_of: int) -> Ratio:
    """`(one / of) / (other / out_of)` with the log interval of Katz (1978).

    Half an event is added to both where either is 0.

    >>> [round(each, 2) for each in ratio(20, 1000, 40, 1000)]
    [0.5, 0.29, 0.85]
    """
    extra = 0.0 if one and other else 0.5
    a, b = one + extra, other + extra
    value = (a / of) / (b / out_of)
    wide = 1.959964 * math.sqrt(max(0.0, 1 / a - 1 / of + 1 / b - 1 / out_of))
    return Ratio(value, value * math.exp(-wide), value * math.exp(wide))


def closing_ratio(ours: Sequence[Point], courses: Sequence[Sequence[Point]]) -> tuple[Ratio, bool]:
    """Our needless goodbyes over the rival's at equal true Love, all seeds together; whether every course got there.

    Args:
        ours: Our last policy of each seed.
        courses: The rival's policies of each seed, from the incumbent on.
    """
    levels = [at_equal(course, mine.true_love) for mine, course in zip(ours, courses, strict=True)]
    answers = [course[-1].answers for course in courses]
    theirs = sum(level.closings * count for level, count in zip(levels, answers, strict=True))
    found = ratio(sum(each.closed for each in ours), sum(each.answers for each in ours), theirs, sum(answers))
    return found, all(level.reached for level in levels)


def a_step(seconds: float, responses: int, step: int) -> float:
    """Seconds for as many responses as a step has: drawn, scored and learnt from.

    >>> a_step(20.0, responses=1024, step=256)
    5.0
    """
    return seconds * step / responses
