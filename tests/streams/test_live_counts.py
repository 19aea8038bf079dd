import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from streams.live_counts import ArmLoveRate, Flag, PartitionGuard, RateRule, RateWindow

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(hours=2)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def served(number: int, *, seconds: float = 0, arm: str | None = "a", user: str = "u") -> ResponseServed:
    return ResponseServed(
        event_id=new_event_id(at(seconds)),
        user_id=user,
        served_at=at(seconds),
        response_id=f"r{number}",
        conversation_id="c",
        turn=0,
        session_id="s",
        policy="p",
        conversation=[Message("user", "hi")],
        response="hello",
        experiment="e" if arm else None,
        arm=arm,
    )


def reacted(number: int, *, seconds: float = 0, user: str = "u", **changes: Any) -> ReactionChanged:
    fields = {"reaction": "love", "action": "added"} | changes
    return ReactionChanged(
        event_id=new_event_id(at(seconds)),
        user_id=user,
        reacted_at=at(seconds),
        response_id=f"r{number}",
        session_id="s",
        **fields,
    )


def flags_of(rule: RateRule, events: list[ReactionChanged]) -> list[Flag]:
    return [flag for event in events if (flag := rule.check(event))]


def test_a_user_at_the_line_is_flagged_once_with_the_evidence() -> None:
    events = [reacted(number, seconds=number) for number in range(50)]
    (flag,) = flags_of(RateRule(per_minute=30), events)
    assert (flag.user_id, flag.score, flag.flagged_at) == ("u", 1.0, at(29))
    assert flag.evidence == {"reactions": 30, "seconds": 60, "line": 30, "event_id": events[29].event_id}


def test_a_user_below_the_line_is_not_flagged() -> None:
    assert flags_of(RateRule(per_minute=30), [reacted(number, seconds=2.1 * number) for number in range(500)]) == []


def test_a_user_who_crosses_the_line_again_is_flagged_again() -> None:
    burst = [reacted(number, seconds=number * 0.1) for number in range(20)]
    later = [reacted(number, seconds=600 + number * 0.1) for number in range(20)]
    assert [flag.flagged_at for flag in flags_of(RateRule(per_minute=10), burst + later)] == [at(0.9), at(600.9)]


def test_taking_hearts_back_counts_as_reacting() -> None:
    toggles = [reacted(1, seconds=number, action=("added", "removed")[number % 2]) for number in range(10)]
    assert len(flags_of(RateRule(per_minute=10), toggles)) == 1


def test_copies_of_events_do_not_make_a_rate() -> None:
    events = [reacted(number, seconds=number) for number in range(9)]
    assert flags_of(RateRule(per_minute=10), events * 5) == []


def test_users_are_counted_apart() -> None:
    events = [reacted(number, seconds=number * 0.01, user=f"u{number}") for number in range(500)]
    assert flags_of(RateRule(per_minute=2), events) == []


def test_events_out_of_order_are_placed_by_their_own_time() -> None:
    events = [reacted(number, seconds=number * 3) for number in range(60)]  # 20 in any minute
    random.Random(7).shuffle(events)
    assert flags_of(RateRule(per_minute=21), events) == []
    assert len(flags_of(RateRule(per_minute=10), events)) >= 1


def test_the_same_events_give_the_same_flag_byte_by_byte() -> None:
    events = [reacted(number, seconds=number) for number in range(40)]
    first, again = (msgspec.json.encode(flags_of(RateRule(), events)) for _ in range(2))
    assert first == again


def test_memory_is_bounded_in_users_and_in_events() -> None:
    window = RateWindow(seconds=60, keep=8, users=100)
    for number in range(10_000):
        window.add(f"u{number % 1000}", number * 1e-3, str(number))
    assert len(window) == 100
    assert window.add("u999", 10.0, "last") <= 9


def test_a_line_of_one_is_refused_with_the_rule() -> None:
    with pytest.raises(ValueError, match="per_minute == 1, must be at least 2"):
        RateRule(per_minute=1)


def totals(counts: ArmLoveRate) -> dict[str | None, tuple[int, int]]:
    sums: dict[str | None, tuple[int, int]] = {}
    for arm, _, responses, loves in counts.rows():
        before = sums.get(arm[1], (0, 0))
        sums[arm[1]] = before[0] + responses, before[1] + loves
    return sums


def test_loves_are_counted_for_the_arm_that_was_served() -> None:
    counts = ArmLoveRate()
    for number in range(100):
        counts.served(served(number, arm="ab"[number % 2]))
    for number in (0, 1, 2, 4):
        counts.reacted(reacted(number))
    assert totals(counts) == {"a": (50, 3), "b": (50, 1)}


def test_traffic_outside_experiments_has_a_row_of_its_own() -> None:
    counts = ArmLoveRate()
    counts.served(served(1, arm=None))
    assert list(counts.rows()) == [((None, None, "p"), int(START.timestamp()), 1, 0)]


def test_a_love_counts_once_and_not_when_it_is_taken_back() -> None:
    counts = ArmLoveRate()
    counts.served(served(1))
    counts.served(served(1))
    for _ in range(3):
        counts.reacted(reacted(1))
    assert totals(counts) == {"a": (1, 1)}
    for _ in range(3):
        counts.reacted(reacted(1, action="removed"))
    assert totals(counts) == {"a": (1, 0)}


@pytest.mark.parametrize("event", [reacted(1, user="other"), reacted(2), reacted(1, reaction="like")])
def test_what_is_no_love_of_the_one_who_saw_it_does_not_count(event: ReactionChanged) -> None:
    counts = ArmLoveRate()
    counts.served(served(1))
    counts.reacted(event)
    assert totals(counts) == {"a": (1, 0)}


def test_windows_tumble_by_the_time_of_serving() -> None:
    counts = ArmLoveRate(seconds=300)
    for number in range(4):
        counts.served(served(number, seconds=150 * number))
    counts.reacted(reacted(0, seconds=599))
    begin = int(START.timestamp())
    assert [row[1:] for row in counts.rows()] == [(begin, 2, 1), (begin + 300, 2, 0)]


def test_only_rows_that_changed_are_published_again() -> None:
    counts = ArmLoveRate()
    counts.served(served(1))
    assert len(counts.changed()) == 1
    assert counts.changed() == []
    counts.reacted(reacted(1))
    assert [row[2:] for row in counts.changed()] == [(1, 1)]


def test_old_responses_and_windows_are_forgotten_without_a_trace() -> None:
    counts = ArmLoveRate(seconds=1, responses=10, windows=5)
    for number in range(100):
        counts.served(served(number, seconds=number))
    for number in range(100):
        counts.reacted(reacted(number))
    assert [row[2:] for row in counts.rows()] == [(1, 1)] * 5


def guard(*, whole: bool = True) -> PartitionGuard:
    return PartitionGuard(2, per_minute=10, window_seconds=300, whole=whole)


def test_lines_that_break_the_contract_are_counted_and_passed_over() -> None:
    watched = guard()
    for line in (b"\xff", encode(served(1)), b"{}", encode(reacted(1))):
        assert watched.observe(line, NOW) is None
    assert (watched.lines, watched.unreadable) == (4, 2)
    assert watched.totals() == {("e", "a", "p"): (1, 1)}


def test_a_rate_is_published_with_its_window_and_its_value() -> None:
    watched = guard()
    for number in range(4):
        watched.observe(encode(served(number, seconds=number)), NOW)
    watched.observe(encode(reacted(0, seconds=7)), NOW)
    (rate,) = watched.love_rates()
    assert (rate.served, rate.loves, rate.value, rate.partition, rate.arm) == (4, 1, 0.25, 2, "a")
    assert (rate.window_start, rate.window_seconds, rate.measured_at) == (START, 300, at(7))


def test_a_window_that_the_start_cuts_is_not_published_again() -> None:
    watched = guard(whole=False)
    for number in range(4):
        watched.observe(encode(served(number, seconds=200 + 100 * number)), NOW)
    assert [rate.window_start for rate in watched.love_rates()] == [at(300)]
