import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from streams.events import Event, Message, ReactionChanged
from streams.live.board import Board
from streams.live.messages import ArmWindow, Flag, unpack
from streams.live.partition import PartitionGuard
from streams.live.rules import Rules

Counts = dict[tuple[str | None, int], tuple[int, int, int]]


def flags_of(product: Any, events: list[Event], line: int) -> list[Flag]:
    guard = product.guard(product.message(*events), user_line=line)
    return list(guard.flags)


def burst(product: Any, count: int, *, every: float = 1.0, start: float = 0.0, **changes: Any) -> list[Event]:
    return [product.reacted(f"r{n}", at=start + n * every, **changes) for n in range(count)]


def rows(guard: PartitionGuard) -> list[ArmWindow]:
    return [row for _, value in guard.arms.snapshots(guard.next - 1, guard.newest) for row in unpack(value, ArmWindow)]


def counts(product: Any, *events: Event | bytes, **dials: Any) -> dict[str | None, tuple[int, int, int]]:
    """Served, loves and closings by arm."""
    sums: dict[str | None, tuple[int, int, int]] = {}
    for row in rows(product.guard(product.message(*events), **dials)):
        before = sums.get(row.arm, (0, 0, 0))
        sums[row.arm] = before[0] + row.served, before[1] + row.loves, before[2] + row.closings
    return sums


def test_a_user_at_the_line_is_flagged_once_with_the_evidence(product: Any) -> None:
    events = burst(product, 50)
    (flag,) = flags_of(product, events, 30)
    assert (flag.subject, flag.user_id, flag.key, flag.score) == ("user", "u", None, 1.0)
    assert flag.flagged_at == product.noon + timedelta(seconds=29)
    assert flag.evidence == {"reactions": 30, "seconds": 60, "line": 30, "event_id": events[29].event_id}


def test_a_user_below_the_line_is_not_flagged(product: Any) -> None:
    assert flags_of(product, burst(product, 500, every=2.1), 30) == []


def test_a_user_who_crosses_the_line_again_is_flagged_again(product: Any) -> None:
    found = flags_of(product, burst(product, 20, every=0.1) + burst(product, 20, every=0.1, start=600), 10)
    assert [(flag.flagged_at - product.noon).total_seconds() for flag in found] == [0.9, 600.9]


def test_taking_hearts_back_counts_as_reacting(product: Any) -> None:
    toggles = [product.reacted("r", at=n, action=("added", "removed")[n % 2]) for n in range(10)]
    assert len(flags_of(product, toggles, 10)) == 1


def test_copies_of_events_make_no_rate(product: Any) -> None:
    assert flags_of(product, burst(product, 9) * 5, 10) == []


def test_users_are_counted_apart(product: Any) -> None:
    assert flags_of(product, [product.reacted("r", at=n * 0.01, user=f"u{n}") for n in range(500)], 2) == []


def test_events_out_of_order_are_placed_by_their_own_time(product: Any) -> None:
    events = burst(product, 60, every=3.0)  # 20 in any minute
    random.Random(7).shuffle(events)
    assert flags_of(product, events, 21) == []
    assert len(flags_of(product, events, 10)) >= 1


def test_the_same_events_give_the_same_flag_byte_by_byte(product: Any) -> None:
    events = burst(product, 40)
    first, again = (msgspec.json.encode(flags_of(product, events, 30)) for _ in range(2))
    assert first == again


def test_a_rate_holds_across_the_border_of_two_generations(product: Any) -> None:
    events = burst(product, 12)
    guard = product.guard(
        product.message(*events[:6], at=399), product.message(*events[6:], offset=1, at=801), user_line=12,
        memory_seconds=400.0,
    )  # fmt: skip
    assert len(guard.flags) == 1


def test_loves_and_closings_are_counted_for_the_arm_that_was_served(product: Any) -> None:
    events = [product.served(f"r{n}", arm="ab"[n % 2], response="Bye!" if n < 3 else "hello") for n in range(100)]
    events += [product.reacted(f"r{n}") for n in (0, 1, 2, 4)]
    assert counts(product, *events) == {"a": (50, 3, 2), "b": (50, 1, 1)}


def test_a_goodbye_that_answers_a_goodbye_is_no_needless_closing(product: Any) -> None:
    parting = product.served("r1", response="Good night!", conversation=[Message("user", "I have to go, bye!")])
    assert counts(product, parting) == {"a": (1, 0, 0)}


def test_traffic_outside_experiments_has_a_row_of_its_own(product: Any) -> None:
    (row,) = rows(product.guard(product.message(product.served("r", arm=None))))
    assert (row.experiment, row.arm, row.policy, row.served) == (None, None, "p", 1)


def test_a_love_counts_once_and_not_when_it_is_taken_back(product: Any) -> None:
    served = product.served("r")
    loves = [product.reacted("r") for _ in range(3)]
    assert counts(product, served, served, *loves, *loves) == {"a": (1, 1, 0)}
    back = [product.reacted("r", action="removed") for _ in range(3)]
    assert counts(product, served, *loves, *back) == {"a": (1, 0, 0)}


def test_a_dislike_takes_the_place_of_a_love_and_a_love_that_of_a_dislike(product: Any) -> None:
    love, dislike = product.reacted("r"), product.reacted("r", reaction="dislike")
    assert counts(product, product.served("r"), love, dislike) == {"a": (1, 0, 0)}
    assert counts(product, product.served("r"), love, dislike, product.reacted("r")) == {"a": (1, 1, 0)}
    gone = product.reacted("r", reaction="dislike", action="removed")
    assert counts(product, product.served("r"), love, gone) == {"a": (1, 1, 0)}


@pytest.mark.parametrize("change", [{"user": "other"}, {"name": "r2"}, {"reaction": "like"}])
def test_what_is_no_love_of_the_one_who_saw_it_does_not_count(product: Any, change: dict[str, str]) -> None:
    assert counts(product, product.served("r"), product.reacted(**({"name": "r"} | change))) == {"a": (1, 0, 0)}


def test_a_love_counts_while_its_response_is_remembered(product: Any) -> None:
    def love_after(seconds: float) -> int:
        guard = product.guard(
            product.message(product.served("r"), at=0),
            product.message(product.served("x"), offset=1, at=450),
            product.message(product.reacted("r"), offset=2, at=seconds),
            memory_seconds=400.0,
        )
        return sum(row.loves for row in rows(guard))

    assert [love_after(seconds) for seconds in (460, 790, 1300)] == [1, 1, 0]


def test_windows_tumble_by_the_time_of_serving(product: Any) -> None:
    events = [product.served(f"r{n}", at=150 * n) for n in range(4)] + [product.reacted("r0", at=599)]
    found = rows(product.guard(product.message(*events)))
    assert [((row.window_start - product.noon).total_seconds(), row.served, row.loves) for row in found] == [
        (0, 2, 1), (300, 2, 0),
    ]  # fmt: skip
    assert {(row.window_seconds, row.through, row.value) for row in found} == {(300, 0, 0.5), (300, 0, 0.0)}


def test_only_blocks_that_changed_are_told_again(product: Any) -> None:
    guard = product.guard(product.message(product.served("r"), product.served("y", at=7200)))
    assert len(guard.arms.snapshots(0, guard.newest)) == 2
    assert guard.arms.snapshots(0, guard.newest) == []
    guard.observe(product.message(product.reacted("r"), offset=1))
    assert [row.loves for row in rows(guard)] == [1]


def test_a_block_is_one_message_with_a_key_of_its_own(product: Any) -> None:
    guard = product.guard(product.message(*(product.served(f"r{n}", at=300 * n) for n in range(24))))
    told = guard.arms.snapshots(0, guard.newest)
    assert [key for key, _ in told] == [b"0/300/2026-03-01T12:00:00", b"0/300/2026-03-01T13:00:00"]
    assert [len(unpack(value, ArmWindow)) for _, value in told] == [12, 12]


def test_windows_that_made_room_are_not_told_again_with_less(product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.live.board.MOST_ROWS", 30)
    board = Board(Rules().window_seconds)
    guard = product.guard(board=board)
    for number in range(50):
        guard.observe(product.message(product.served(f"r{number}", at=3600 * number), offset=number, at=3600 * number))
        guard.arms.snapshots(number, guard.newest)
    kept = {window for window, _, _ in board.rows()}
    assert len(kept) <= 30
    guard.observe(product.message(product.served("late"), product.served("now", at=3600 * 49), offset=50, at=180_000))
    assert [(row.window_start, row.served) for row in rows(guard)] == [(product.noon + timedelta(hours=49), 2)]


def test_made_up_policies_fill_no_memory(product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.live.arms.MOST_ARMS", 20)
    found = rows(product.guard(product.message(*(product.served(f"r{n}", policy=f"p{n}") for n in range(100)))))
    assert len(found) == 20


def test_lines_that_break_the_contract_are_counted_and_passed_over(product: Any) -> None:
    guard = product.guard(product.message(b"\xff", product.served("r"), b"{}", product.reacted("r")))
    assert (guard.lines, guard.unreadable) == (4, 2)
    assert [(row.served, row.loves) for row in rows(guard)] == [(1, 1)]


def test_reactions_through_a_device_or_network_are_told_to_those_who_add_them_up(product: Any) -> None:
    events = [product.reacted(f"r{n}", at=n, device_id="d", network_id="n" if n < 3 else None) for n in range(5)]
    guard = product.guard(product.message(*events, *events))
    minute = int(product.noon.timestamp()) // 60
    assert guard.changes == {(0, "device", "d", minute): 5, (0, "network", "n", minute): 3}


def test_what_the_guard_before_published_is_not_published_again(product: Any) -> None:
    board = Board(Rules().window_seconds)
    first = product.guard(product.message(product.served("r"), *burst(product, 40, device_id="d")), board=board)
    first.arms.snapshots(0, first.newest)
    again = product.guard(product.message(product.served("r"), *burst(product, 40, device_id="d")), board=board)
    assert (len(first.flags), len(first.changes)) == (1, 1)
    assert (again.flags, again.changes, rows(again)) == ([], {}, [])


def test_a_love_reaction_is_the_only_name_that_counts_as_love(product: Any) -> None:
    event = product.reacted("r", reaction="wow")
    assert isinstance(event, ReactionChanged)
    assert counts(product, product.served("r"), event) == {"a": (1, 0, 0)}


@pytest.mark.parametrize(
    ("dials", "rule"),
    [
        ({"user_line": 1}, "user_line == 1, must be at least 2"),
        ({"alpha": 0.0}, r"alpha == 0.0, must be in \(0, 1\)"),
        ({"love_floor": 1.5}, "love_floor == 1.5"),
        ({"closing_factor": 0.5}, "closing_factor == 0.5, must be at least 1"),
    ],
)
def test_a_dial_that_means_nothing_is_refused_with_the_rule(dials: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Rules(**dials)
