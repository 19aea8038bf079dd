"""A/A tests: how often "no effect" is rejected where there is none, looked at every 1,000 exposures.

In each cell, a base rate in a world, the plan is made as a user would make it from history: its information and its
lovers are what so many exposures gave in some walks before. It ends a little before the walk does, so that the whole
level is spent within it.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from ab_tests_parts import ours, pool, rivals
from ab_tests_parts.worlds import WORLDS, Course, walk
from stats.intervals import wilson

PER_ARM: Final = {0.001: 200_000, 0.005: 100_000, 0.01: 50_000, 0.05: 20_000}
"""Exposures an arm by base rate."""
EVERY: Final = 1_000
PILOTS, BEFORE_THE_END, AT_A_TIME = 15, 1.1, 10
OURS: Final = ("first lovers", "clustered ratio")


class Cell(NamedTuple):
    """A world and a base rate, some of its tests, and the plan."""

    world: str
    rate: float
    seeds: range
    plan: tuple[float, int]


def plan(world: str, rate: float) -> tuple[float, int]:
    """Information and lovers at which the plan of a cell ends."""
    pilots = [_walk(world, rate, seed) for seed in range(PILOTS)]
    with np.errstate(divide="ignore"):
        information = [float(1 / ours.log_ratio(each)[1][-1] ** 2) for each in pilots]
    lovers = [len(each.first_arms) for each in pilots]
    return float(np.median(information)) / BEFORE_THE_END, max(1, int(np.median(lovers) / BEFORE_THE_END))


def _walk(world: str, rate: float, seed: int) -> Any:
    course = Course(rate, 0.0, 2 * PER_ARM[rate], EVERY)
    return walk(WORLDS[world], course, np.random.default_rng([1, list(WORLDS).index(world), int(rate * 1e4), seed]))


def alarms(cell: Cell) -> dict[str, int]:
    """Of a cell's tests, how many each way of looking rejected at any look."""
    found: dict[str, int] = {}
    for seed in cell.seeds:
        one = _walk(cell.world, cell.rate, seed)
        once = rivals.standardised(one)[-1]
        rejects = {
            "first lovers": ours.by_lovers(one, cell.plan[1]) != ours.NEVER,
            "clustered ratio": ours.by_ratio(one, cell.plan[0]).look != ours.NEVER,
            "z, peeked": bool(rivals.peeked_z(one).any()),
            "z, at the end alone": abs(once) > 1.96,
            "e-process on all loves": bool(rivals.loves_as_independent(one).any()),
            "default sequence": bool(rivals.default_sequence(one).any()),
            "chi-square of users, peeked (at .1 %)": bool(rivals.peeked_balance(one.users).any()),
        }
        for name, rejected in rejects.items():
            found[name] = found.get(name, 0) + bool(rejected)
    return found


def measured(runs: int) -> dict[str, Any]:
    """False alarms of ours and of others by cell, and the worst cell of ours."""
    cells = [(world, rate) for rate in PER_ARM for world in WORLDS]
    plans = pool.each(_planned, cells, "A/A: plans")
    tasks = [
        Cell(world, rate, range(start, min(start + AT_A_TIME, PILOTS + runs)), made)
        for (world, rate), made in zip(cells, plans, strict=True)
        for start in range(PILOTS, PILOTS + runs, AT_A_TIME)
    ]
    totals: dict[str, dict[str, int]] = {}
    for task, found in zip(tasks, pool.each(alarms, tasks, "A/A: tests"), strict=True):
        total = totals.setdefault(f"{task.rate:.1%} {task.world}", {})
        for name, count in found.items():
            total[name] = total.get(name, 0) + count
    told = {cell: {name: share(count, runs) for name, count in found.items()} for cell, found in totals.items()}
    ours_only = [(cell, name) for cell in told for name in OURS]
    worst = max(ours_only, key=lambda at: told[at[0]][at[1]]["share"])
    # of so many cells one in twenty lies above its level by chance: each is held against its part of 5 %
    strict = 1 - 0.05 / len(ours_only)
    above = [
        f"{cell}, {name}" for cell, name in ours_only if wilson(totals[cell][name], runs, strict).above(ours.ALPHA)
    ]
    return {
        "false_alarms": {"cell": worst[0], "test": worst[1], **told[worst[0]][worst[1]]},
        "false_alarms_above_level": above,
        "false_alarms_of_all_cells": {
            name: share(sum(found[name] for found in totals.values()), runs * len(totals)) for name in told[worst[0]]
        },
        "false_alarms_by_cell": told,
        "false_alarm_runs": runs,
    }


def _planned(cell: tuple[str, float]) -> tuple[float, int]:
    return plan(*cell)


def share(count: int, runs: int) -> dict[str, float]:
    """A share with its 95 % interval (Wilson)."""
    interval = wilson(count, runs)
    return {"share": count / runs, "low": interval.low, "high": interval.high}
