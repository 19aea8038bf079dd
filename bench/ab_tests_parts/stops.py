"""When tests stop: ours against a confidence sequence at its default, in the same tests, and what is said at the stop.

Stops are told in exposures an arm over what a single look needs (`one_look`). Ours are planned for 80 % power; the
twentieth of the level that they keep for looks after the plan's end stops few more. The default goes on for ever.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from ab_tests_parts import ours, pool, rivals
from ab_tests_parts.false_alarms import share
from ab_tests_parts.worlds import WORLDS, Course, Walk, walk
from experiments.boundaries import LATEST, planned_information
from experiments.lover_counts import planned_lovers
from experiments.lovers import first_lovers
from experiments.shrinkage import shrunk
from experiments.walk import stopping_law
from stats.intervals import normal_quantile

RATE: Final = 0.001
LIFTS: Final = {"28": 0.28, "10": 0.097}
TESTS: Final = ("first lovers", "clustered ratio", "default", "default, by users")


class Plan(NamedTuple):
    """The planned lift, and the lovers and the information at which its plan ends."""

    lift: float
    lovers: int
    information: float


class Task(NamedTuple):
    """One test.

    Attributes:
        world: By its name.
        plan: For the lift that was hoped for.
        true: The lift.
        every: Exposures between two looks.
        length: Exposures an arm, over what one look needs.
        shrinks: Whether the estimates are to be shrunk, too, which takes a fifth of a second each.
        seed: Of the walk.
    """

    world: str
    plan: Plan
    true: float
    every: int
    length: float
    shrinks: bool
    seed: int


class Said(NamedTuple):
    """What a test said at its stop, or at its plan's end.

    Attributes:
        log_ratio: As it was estimated.
        shrunk: The same for looks that could have ended the test; None where that was not asked for.
        held: Whether the interval at any look held the truth.
    """

    log_ratio: float
    shrunk: float | None
    held: bool


class Seen(NamedTuple):
    """What a test showed.

    Attributes:
        stops: Exposures an arm at which each of `TESTS` stopped, infinite where it did not.
        lovers: What the first lovers said; None where nothing could be read.
        ratio: What the clustered ratio said.
    """

    stops: tuple[float, ...]
    lovers: Said | None
    ratio: Said | None


def one_look(lift: float, rate: float = RATE) -> float:
    """Exposures an arm that a single look needs for 80 % power at 5 %: two shares of independent exposures."""
    treated = rate * (1 + lift)
    z = normal_quantile(0.95) + 0.841621
    return z**2 * (rate * (1 - rate) + treated * (1 - treated)) / (treated - rate) ** 2


def one_look_lovers(lift: float) -> int:
    """First lovers that a single look needs for 80 % power at 5 % in equal arms, however rare loves are.

    `((z_alpha / 2 + z_power sqrt(p (1 - p))) / (p - 1/2))^2`, `p` the chance of a first lover to be treated.
    """
    up = (1 + lift) / (2 + lift)
    return math.ceil(((normal_quantile(0.95) / 2 + 0.841621 * math.sqrt(up * (1 - up))) / (up - 0.5)) ** 2)


def run(task: Task) -> Seen:
    """Walk through one test."""
    exposures = int(2 * task.length * one_look(task.plan.lift))
    rng = np.random.default_rng([2, list(WORLDS).index(task.world), round(task.true * 1e3), task.seed])
    seen = walk(WORLDS[task.world], Course(RATE, task.true, exposures, task.every), rng)
    ratio = ours.by_ratio(seen, task.plan.information)
    looks = [
        ours.by_lovers(seen, task.plan.lovers),
        ratio.look,
        _first(rivals.default_sequence(seen)),
        _first(rivals.default_sequence(seen, seen.users.sum(axis=1))),
    ]
    stops = tuple(math.inf if look == ours.NEVER else (look + 1) * task.every / 2 for look in looks)
    return Seen(stops, _lovers_said(seen, looks[0], task), _ratio_said(seen, ratio, task))


def _first(rejects: rivals.Bools) -> int:
    return int(rejects.argmax()) if rejects.any() else ours.NEVER


def _ratio_said(seen: Walk, stop: ours.Stop, task: Task) -> Said | None:
    effect = stop.effect
    if effect is None or effect.lift is None or not math.isfinite(effect.standard_error) or effect.lift <= -1:
        return None
    plain, after = math.log1p(effect.lift), None
    if task.shrinks:
        before = 1 / ours.log_ratio(seen)[1][max(stop.read - 1, 0)] ** 2 / task.plan.information
        last_look = min(float(before), effect.information) if stop.read else 0.0
        after = shrunk(plain, effect.standard_error, effect.information, last_look=last_look, alpha=ours.ALPHA)
    return Said(plain, after, effect.anytime_ci.low <= task.true <= effect.anytime_ci.high)


def _lovers_said(seen: Walk, look: int, task: Task) -> Said | None:
    """The first lovers as they stood at the stop; those that came in the same look are read with them."""
    planned = task.plan.lovers
    read = min(planned, len(seen.first_arms)) if look == ours.NEVER else int((seen.first_looks <= look).sum())
    arms = seen.first_arms[:read]
    treated = int(arms.sum())
    if not 0 < treated < read:
        return None
    said = first_lovers(arms, treatment_share=0.5, planned=planned, alpha=ours.ALPHA)
    plain, after = math.log(treated / (read - treated)), None
    if task.shrinks:
        error, last_look = math.sqrt(1 / treated + 1 / (read - treated)), (read - 1) / planned
        after = shrunk(plain, error, read / planned, last_look=last_look, alpha=ours.ALPHA)
    return Said(plain, after, said.ci.low <= task.true <= said.ci.high)


def measured(runs: int, heavy_runs: int, small_lift_runs: int, shrinks: int) -> dict[str, Any]:
    """The keys `stop_ratio_28`, `stop_ratio_10` and `heavy_stop` with what is behind them; coverage and bias.

    Args:
        runs: At +28 % in the worlds of light users.
        heavy_runs: At +28 % in the worlds of heavy users.
        small_lift_runs: At +9.7 %, where everybody comes once.
        shrinks: Of the tests where everybody comes once, of each kind, those whose estimates are shrunk, too.
    """
    plans = {name: Plan(lift, planned_lovers(lift), planned_information(lift)) for name, lift in LIFTS.items()}
    large, slight = plans["28"], plans["10"]
    once: dict[str, Any] = {"world": "one-each", "shrinks": shrinks}
    plain = {
        "one-each": _tests(large, 0.28, 3.0, runs, **once),
        "demo-like": _tests(large, 0.28, 3.0, runs, world="demo-like"),
    }
    heavy = {world: _tests(large, 0.28, 4.0, heavy_runs, world=world) for world in ("heavy", "superfans")}
    small = _tests(slight, 0.097, 3.0, small_lift_runs, every=20_000, **once)
    others = {true: _tests(large, true, 1.6, runs // 2, **once) for true in (0.0, 0.14, 0.56)}
    return {
        "stop_ratio_28": _against_default(plain["demo-like"]),
        "stop_ratio_10": _against_default(small),
        "heavy_stop": {world: _stopped(seen, 0.28)["first lovers"]["median"] for world, seen in heavy.items()},
        "stops": {
            **{f"+28 % {world}": _stopped(seen, 0.28) for world, seen in {**plain, **heavy}.items()},
            "+9.7 % one-each": _stopped(small, 0.097),
        },
        "stops_by_exact_law": {f"{plan.lift:+.1%}": _law(plan) for plan in plans.values()},
        "coverage": {
            f"{true:+.1%}, planned {planned:+.1%}, {world}": _said(seen, true)
            for true, planned, world, seen in (
                *((0.28, 0.28, world, seen) for world, seen in plain.items()),
                (0.097, 0.097, "one-each", small),
                *((true, 0.28, "one-each", seen) for true, seen in others.items()),
            )
        },
        "coverage_of_ratio_among_heavy_users": {world: _said(seen, 0.28)["ratio"] for world, seen in heavy.items()},
    }


def _tests(
    plan: Plan, true: float, length: float, runs: int, *, world: str, every: int = 1_000, shrinks: int = 0
) -> list[Seen]:
    tasks = [Task(world, plan, true, every, length, seed < shrinks, seed) for seed in range(runs)]
    return pool.each(run, tasks, f"stops: {true:+.1%}, planned {plan.lift:+.1%}, {world}")


def _against_default(seen: list[Seen]) -> dict[str, Any]:
    """Median stop of ours over the default's in the same tests, with a bootstrap interval over tests."""
    stops = np.array([each.stops for each in seen])
    default = stops[:, TESTS.index("default")]
    told = {
        name: dict(zip(("ratio", "low", "high"), pool.median_interval(stops[:, place], over=default), strict=True))
        for place, name in enumerate(TESTS[:2])
    }
    return {**told["first lovers"], "clustered ratio": told["clustered ratio"]}


def _stopped(seen: list[Seen], lift: float) -> dict[str, Any]:
    """By test: median stop in one-look sizes with its interval, and the shares stopped by one look's size and ever."""
    stops = np.array([each.stops for each in seen]) / one_look(lift)
    found = {}
    for place, name in enumerate(TESTS):
        own = stops[:, place]
        found[name] = {
            "median": dict(zip(("value", "low", "high"), map(pool.told, pool.median_interval(own)), strict=True)),
            "by_one_look": share(int((own <= 1).sum()), len(own)),
            "ever": share(int(np.isfinite(own).sum()), len(own)),
        }
    return found


def _law(plan: Plan) -> dict[str, Any]:
    law, once = stopping_law(plan.lovers, 0.5, plan.lift, ours.ALPHA), one_look_lovers(plan.lift)
    return {
        "planned_lovers": plan.lovers,
        "one_look_lovers": once,
        "median_in_one_look_sizes": pool.told(law.median() * plan.lovers / once),
        "power": law.by(1.0),
        "false_alarms": stopping_law(plan.lovers, 0.5, 0.0, ours.ALPHA).by(LATEST),
    }


def _said(seen: list[Seen], true: float) -> dict[str, Any]:
    """At the stop or the plan's end: how often the interval held the truth, and mean log ratio less the true one."""
    found: dict[str, Any] = {}
    at = math.log1p(true)
    for place, name in enumerate(("lovers", "ratio")):
        said = [(each, one.stops[place] < math.inf) for one in seen if (each := getattr(one, name)) is not None]
        found[name] = {"holds": share(sum(each.held for each, _ in said), len(said))}
        for which, kept in (("", said), ("_of_those_that_stopped", [each for each in said if each[1]])):
            found[name][f"bias{which}"] = _mean([each.log_ratio - at for each, _ in kept])
            pairs = [(each.log_ratio - at, each.shrunk - at) for each, _ in kept if each.shrunk is not None]
            found[name][f"bias{which}_in_the_tests_that_were_shrunk"] = {
                "observed": _mean([observed for observed, _ in pairs]),
                "shrunk": _mean([after for _, after in pairs]),
                "shrunk_less_observed": _mean([after - observed for observed, after in pairs]),
            }
    return found


def _mean(values: list[float]) -> dict[str, float] | None:
    """A mean with its standard error; None of fewer than two."""
    if len(values) < 2:
        return None
    return {"mean": float(np.mean(values)), "error": float(np.std(values, ddof=1) / math.sqrt(len(values)))}
