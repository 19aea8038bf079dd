import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams.live.board import Board, Snapshot
from streams.live.evidence import WindowCounts, log_evidence_above, log_evidence_over
from streams.live.messages import Trip
from streams.live.rules import Rules
from streams.live.switch import standings
from streams.live.switch import trips as trips_of

RULES = Rules(window_seconds=60, settle_seconds=120)


def board(windows: dict[str, list[tuple[int, int, int]]], *, experiment: str = "tone", partitions: int = 1) -> Board:
    """A board on which each arm has these counts (served, loves, closings) in windows 0, 1, 2, ..., all long over."""
    found = Board(RULES.window_seconds)
    for partition in range(partitions):
        rows = {
            (number, (experiment, arm, "p")): counts
            for arm, each in windows.items()
            for number, counts in enumerate(each)
        }
        found.put(partition, 0, Snapshot(rows, 0), datetime.fromtimestamp(0, UTC) + timedelta(hours=10))
    return found


def trips(found: Board, rules: Rules = RULES, known: Any = ()) -> list[Trip]:
    return trips_of(standings(found, rules), found.newest, rules.alpha, known)


def tripped(found: Board, rules: Rules = RULES, known: Any = ()) -> list[tuple[str, str, str]]:
    return [(trip.arm, trip.metric, trip.against) for trip in trips(found, rules, known)]


def test_an_arm_that_says_goodbye_far_more_often_than_control_trips() -> None:
    seen = board({"control": [(200, 2, 3)] * 20, "b": [(200, 2, 16)] * 20})
    (trip,) = trips(seen, RULES)
    assert (trip.identity, trip.against) == (("tone", "b", "closing_rate"), "control")
    assert (trip.rate, trip.reference, trip.served) == (0.08, 0.015, 4000)
    assert trip.log_evidence > math.log(3 / RULES.alpha)
    assert trip.tripped_at == seen.newest


def test_an_arm_beyond_the_limit_trips_without_a_control_arm() -> None:
    assert tripped(board({"b": [(200, 0, 40)] * 20})) == [("b", "closing_rate", "limit")]


def test_an_arm_that_is_loved_far_less_than_control_trips() -> None:
    assert tripped(board({"control": [(500, 20, 0)] * 20, "b": [(500, 8, 0)] * 20})) == [("b", "love_rate", "control")]


def test_an_arm_that_is_loved_more_does_not_trip() -> None:
    assert tripped(board({"control": [(500, 8, 0)] * 20, "b": [(500, 20, 0)] * 20})) == []


def test_arms_alike_do_not_trip_and_control_never_does() -> None:
    assert tripped(board({"control": [(500, 8, 90)] * 20, "b": [(500, 8, 9)] * 20, "c": [(500, 8, 8)] * 20})) == []


def test_partitions_are_added_up() -> None:
    few = {"control": [(20, 0, 0)] * 20, "b": [(20, 0, 1)] * 20}
    assert tripped(board(few)) == []
    assert tripped(board(few, partitions=10)) == [("b", "closing_rate", "control")]


def test_half_as_many_closings_again_trip_an_arm_in_time_and_a_tenth_more_do_not() -> None:
    control = [(1000, 10, 11)] * 400
    assert tripped(board({"control": control, "b": [(1000, 10, 17)] * 400})) == [("b", "closing_rate", "control")]
    assert tripped(board({"control": control, "b": [(1000, 10, 12)] * 400})) == []


def test_no_closing_in_either_arm_is_no_evidence() -> None:
    seen = standings(board({"control": [(500, 5, 0)] * 40, "b": [(500, 5, 0)] * 40}), RULES)
    assert all(each.log_evidence <= 0 for each in seen if each.metric == "closing_rate")


def test_a_trip_is_told_once() -> None:
    seen = board({"control": [(200, 2, 3)] * 20, "b": [(200, 2, 16)] * 20})
    assert tripped(seen, known={("tone", "b", "closing_rate")}) == []
    assert tripped(seen, known={("other", "b", "closing_rate")}) == [("b", "closing_rate", "control")]


def test_another_arm_may_be_named_control() -> None:
    seen = board({"incumbent": [(200, 2, 3)] * 20, "b": [(200, 2, 16)] * 20})
    assert tripped(seen) == []
    assert tripped(seen, Rules(window_seconds=60, control="incumbent")) == [("b", "closing_rate", "incumbent")]


def test_windows_that_are_not_over_are_not_looked_at() -> None:
    seen = board({"control": [(500, 20, 0)] * 20, "b": [(500, 8, 200)] * 20})
    seen.newest = datetime.fromtimestamp(60.0 * 20, UTC)
    assert tripped(seen) == [("b", "closing_rate", "limit"), ("b", "love_rate", "control")]
    seen.newest = datetime.fromtimestamp(59.0, UTC)
    assert tripped(seen) == []


def test_loves_are_looked_at_when_their_users_had_their_time() -> None:
    seen = board({"control": [(9000, 400, 0)] * 3, "b": [(9000, 100, 0)] * 3})
    seen.newest = datetime.fromtimestamp(60.0 * 3, UTC)
    assert tripped(seen) == []
    seen.newest += timedelta(seconds=RULES.settle_seconds)
    assert tripped(seen) == [("b", "love_rate", "control")]


def test_looking_after_every_window_raises_few_false_alarms() -> None:
    """At alpha = .05 and independent responses: by Ville's inequality at most 5 % of harmless arms ever trip."""
    draw, line, alarms = random.Random(11), math.log(1 / 0.05), 0
    for _ in range(200):
        rate = draw.choice((0.01, 0.05))
        pairs = [WindowCounts(60, _happen(draw, 60, rate), 40, _happen(draw, 40, rate)) for _ in range(40)]
        alarms += any(log_evidence_above(pairs[:end]) >= line for end in range(1, 41))
    assert alarms <= 16, "10 expected at most; 16 has less than 4 % at the limit"


def test_the_mean_of_an_e_value_is_at_most_one_anywhere_in_the_null() -> None:
    """One window after a history that makes it bet, every outcome weighted by its chance; factor 2."""
    past = [WindowCounts(30, 9, 20, 1)]
    for y in (0.01, 0.05, 0.2):
        for x in (2 * y, y, y / 2):
            mean = sum(
                _chance(6, i, x)
                * _chance(5, j, y)
                * math.exp(log_evidence_above([*past, WindowCounts(6, i, 5, j)], 2.0))
                for i in range(7)
                for j in range(6)
            )
            assert mean <= 1 + 1e-9, (x, y)
    assert log_evidence_above([*past, WindowCounts(6, 3, 5, 0)], 2.0) > 0, "it does bet"


def test_evidence_against_a_limit_has_a_mean_of_at_most_one() -> None:
    for rate in (0.01, 0.05, 0.1):
        mean = sum(
            _chance(9, i, rate) * math.exp(log_evidence_over([WindowCounts(20, 6), WindowCounts(9, i)], 0.1))
            for i in range(10)
        ) / math.exp(log_evidence_over([WindowCounts(20, 6)], 0.1))
        assert mean <= 1 + 1e-9


def test_users_who_repeat_themselves_are_worth_less() -> None:
    pairs = [WindowCounts(200, 16, 200, 3)] * 20
    assert log_evidence_above(pairs, design_effect=2.0) == pytest.approx(log_evidence_above(pairs) / 2)


def test_a_factor_or_a_limit_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"factor == 0.5, must be at least 1"):
        log_evidence_above([], 0.5)
    with pytest.raises(ValueError, match=r"limit == 1, must be in \(0, 1\)"):
        log_evidence_over([], 1)


def test_the_key_of_a_trip_tells_experiment_arm_and_metric_apart() -> None:
    seen = trips(board({"b": [(200, 0, 40)] * 20}, experiment='a","b'), RULES)
    assert [trip.key for trip in seen] == [b'["a\\",\\"b","b","closing_rate"]']
    assert all(isinstance(trip, Trip) for trip in seen)


def _happen(draw: random.Random, served: int, rate: float) -> int:
    return sum(draw.random() < rate for _ in range(served))


def _chance(served: int, events: int, rate: float) -> float:
    return math.comb(served, events) * rate**events * (1 - rate) ** (served - events)
