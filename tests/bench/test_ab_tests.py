"""The parts of bench/ab_tests.py: walks count right, skipped looks could not have rejected, and the traps are traps."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.effect import anytime_interval
from experiments.lovers import first_lovers

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.mark.parametrize("world", ["one-each", "demo-like", "heavy", "superfans"])
def test_a_walk_adds_up_at_every_look(world: str) -> None:
    from ab_tests_parts.worlds import WORLDS, Course, walk

    seen = walk(WORLDS[world], Course(0.05, 0.5, 20_900, 1_000), np.random.default_rng(1))
    assert seen.exposures.sum(axis=1).tolist() == [1_000 * look for look in range(1, 21)]
    sums = (seen.users, seen.events, seen.events_squared, seen.exposures_squared, seen.events_exposures, seen.lovers)
    for each in sums:
        assert (np.diff(each, axis=0) >= 0).all()
    assert (seen.lovers <= seen.events).all()
    assert (seen.events <= seen.events_squared).all()
    assert (seen.events_exposures**2 <= seen.events_squared * seen.exposures_squared).all(), "Cauchy and Schwarz"
    first = np.bincount(2 * seen.first_looks + seen.first_arms, minlength=40).reshape(20, 2).cumsum(axis=0)
    assert first.tolist() == seen.lovers.tolist()
    assert (np.diff(seen.first_looks) >= 0).all()


def test_users_who_love_all_they_see_have_as_many_loves_as_exposures_in_every_sum() -> None:
    from ab_tests_parts.worlds import _again, _Users

    rng = np.random.default_rng(2)
    counts = rng.multinomial(6_000, rng.dirichlet(np.ones(300)))
    users = _Users(rng.integers(0, 2, 300).astype(np.int8), np.ones(300), counts)
    seen = _again(users, 6_000, 500, rng)
    assert seen.events.tolist() == seen.exposures.tolist()
    assert seen.lovers.tolist() == seen.users.tolist()
    assert seen.events_squared.tolist() == seen.exposures_squared.tolist() == seen.events_exposures.tolist()
    assert seen.exposures_squared[-1].tolist() == np.bincount(users.arms, counts.astype(float) ** 2).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("world", ["one-each", "heavy", "superfans"])
@pytest.mark.parametrize("lift", [0.0, 0.6])
def test_the_looks_that_are_skipped_could_not_have_rejected(world: str, lift: float) -> None:
    from ab_tests_parts import ours
    from ab_tests_parts.worlds import WORLDS, Course, walk

    seen = walk(WORLDS[world], Course(0.004, lift, 60_000, 1_000), np.random.default_rng(3))
    read = [
        anytime_interval(*ours.arm_sums(seen, look), planned_information=25.0, alpha=ours.ALPHA)
        for look in range(len(seen.users))
    ]
    rejects = [look for look, each in enumerate(read) if each.above(0.0) or each.below(0.0)]
    assert ours.by_ratio(seen, 25.0).look == (rejects[0] if rejects else ours.NEVER)
    found = first_lovers(seen.first_arms, treatment_share=0.5, planned=120, alpha=ours.ALPHA)
    look = ours.NEVER if found.crossed_at is None else seen.first_looks[found.crossed_at - 1]
    assert ours.by_lovers(seen, 120) == look


def test_medians_of_tests_that_never_stop_are_told_as_never() -> None:
    from ab_tests_parts import pool

    stops = [1.0, 2.0, 3.0, math.inf, math.inf, math.inf, math.inf]
    assert next(map(pool.told, pool.median_interval(stops))) == "never"
    ratio, low, high = pool.median_interval(np.full(50, 2.0), over=np.full(50, 8.0))
    assert (ratio, low, high) == (0.25, 0.25, 0.25)


@pytest.mark.slow
def test_looking_at_a_z_test_every_time_and_counting_loves_as_independent_are_wrong_where_they_should_be() -> None:
    from ab_tests_parts import rivals
    from ab_tests_parts.worlds import WORLDS, Course, walk

    walks = [walk(WORLDS["heavy"], Course(0.01, 0.0, 40_000, 1_000), np.random.default_rng([4, n])) for n in range(60)]
    assert np.mean([rivals.peeked_z(each).any() for each in walks]) > 0.1
    assert np.mean([rivals.loves_as_independent(each).any() for each in walks]) > 0.2
    assert np.mean([rivals.default_sequence(each).any() for each in walks]) < 0.1


@pytest.mark.slow
def test_a_late_leak_is_found_sooner_with_restarts_and_never_before_it_begins() -> None:
    from ab_tests_parts import leaks

    ours, whole, _ = (np.array(each) for each in leaks.alarms(leaks.Leak(0.05, leaks.LATE, 8, 0)))
    assert (ours > 0).all()
    assert np.median(ours) < np.median(whole)


@pytest.mark.slow
def test_every_trap_is_seen_through() -> None:
    from ab_tests_parts import traps

    found = traps.measured(1)
    assert found["traps_right"] == 5, found["traps"]


def test_the_command_knows_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    import ab_tests

    wanted = ab_tests.arguments().parse_args(["--quick", "--only", "traps,srm"])
    assert wanted.only == ("traps", "srm")
    with pytest.raises(SystemExit):
        ab_tests.arguments().parse_args(["--only", "luck"])
    assert "experiments" not in {path.stem for path in BENCH.glob("*.py")}, "it would hide the package of that name"
    assert sys.modules["experiments.effect"].__file__
