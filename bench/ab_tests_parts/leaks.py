"""Sample ratios: false alarms, and how many users come before a leak is found; the product's check against chi-square.

Users are dealt 50:50 and counted every 1,000. A leak keeps a part of the treatment's users from being counted, from
the first day or from user 200,000 on, as after a deploy. Chi-square at .001 at each look is what the usual tools do.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from ab_tests_parts import pool, rivals
from ab_tests_parts.false_alarms import share
from experiments import dirichlet
from experiments.srm import ALPHA

EVERY, LOOKS, LATE = 1_000, 1_000, 200
HALF: Final = {"control": 0.5, "treatment": 0.5}
TESTS: Final = ("ours", "ours, of all users alone", "chi-square, peeked")


class Leak(NamedTuple):
    """Which share of the treatment's users is lost, from which look on, in how many tests, and the seed."""

    lost: float
    start: int
    tests: int
    seed: int


def alarms(leak: Leak) -> list[list[float]]:
    """Users after the leak began when each of `TESTS` alarmed, by test; infinite where it never did."""
    rng = np.random.default_rng([3, round(leak.lost * 1e4), leak.start, leak.seed])
    kept = np.full(LOOKS, 0.5)
    kept[leak.start :] = 0.5 * (1 - leak.lost) / (1 - 0.5 * leak.lost)
    found: list[list[float]] = [[] for _ in TESTS]
    for _ in range(leak.tests):
        treated = rng.binomial(EVERY, kept)
        counts = np.cumsum(np.stack([EVERY - treated, treated], axis=1), axis=0)
        whole = dirichlet.log_factor(counts, dirichlet.shares_of(HALF), 1_000.0)
        line = -math.log(ALPHA)
        rejects = dirichlet.evidence(counts, HALF) > line, whole > line, rivals.peeked_balance(counts.astype(float))
        for own, rejected in zip(found, rejects, strict=True):
            own.append((int(rejected.argmax()) + 1 - leak.start) * EVERY if rejected.any() else math.inf)
    return found


def measured(honest: int, leaking: int) -> dict[str, Any]:
    """False alarms over a million users, and users until the alarm.

    Args:
        honest: Tests without a leak.
        leaking: Tests of each leak.
    """
    kinds = [(0.0, 0, honest), *((lost, start, leaking) for start in (0, LATE) for lost in (0.05, 0.02))]
    at_a_time = 25
    tasks = [
        Leak(lost, start, min(at_a_time, tests - done), done)
        for lost, start, tests in kinds
        for done in range(0, tests, at_a_time)
    ]
    users: dict[str, list[list[float]]] = {}
    for leak, found in zip(tasks, pool.each(alarms, tasks, "sample ratios"), strict=True):
        name = f"{leak.lost:.0%} lost from user {leak.start * EVERY:,} on" if leak.lost else "no leak"
        for own, more in zip(users.setdefault(name, [[] for _ in TESTS]), found, strict=True):
            own.extend(more)
    none = users.pop("no leak")
    return {
        "srm_false_alarms": {
            name: share(int(np.isfinite(own).sum()), len(own)) for name, own in zip(TESTS, none, strict=True)
        },
        "srm_users_to_alarm": {
            kind: {name: _median(own) for name, own in zip(TESTS, found, strict=True)} for kind, found in users.items()
        },
    }


def _median(users: list[float]) -> dict[str, Any]:
    """Users from the leak's start; alarms before it count as found at once, and are told."""
    after = np.maximum(users, 0)
    value, low, high = map(pool.told, pool.median_interval(after))
    return {"value": value, "low": low, "high": high, "too_early": int((np.asarray(users) <= 0).sum())}
