from datetime import UTC, datetime, timedelta
from typing import Any

from streams.live import view
from streams.live.board import Snapshot
from streams.live.guard import Guard
from streams.live.messages import Flag, Trip, pack
from streams.live.rules import Rules


def watching(product: Any) -> Guard:
    """A guard that has seen two arms, a hasty user with a nasty name, and a trip."""
    guard = Guard(Rules(user_line=5))
    name = '<script>alert("x")</script>'
    events = [product.served(f"r{n}", arm="ab"[n % 2], response="Bye!" if n % 4 == 1 else "hello") for n in range(20)]
    events += [product.reacted(f"r{n}") for n in range(4)]
    events += [product.reacted("x", at=n, user=name, device_id="d") for n in range(7)]
    guard.observe(product.message(*events, b"\xff"))
    for _, value in guard.outbox(1).flags:
        guard.follow(Flag, value)
    assert guard.snapshots()
    guard.follow(
        Trip,
        pack(
            [
                Trip(
                    experiment="e", arm="b", metric="closing_rate", against="control", rate=0.5, reference=0.01,
                    served=10, log_evidence=9.0, alpha=0.001, tripped_at=product.noon,
                )
            ]
        ),
    )  # fmt: skip
    return guard


def test_the_totals_say_what_was_read_and_what_was_found(product: Any) -> None:
    seen = view.totals(watching(product))
    assert (seen["partitions"], seen["lines"], seen["unreadable"]) == ([0], 32, 1)
    assert [(row["arm"], row["served"], row["loves"], row["closing_rate"]) for row in seen["arms"]] == [
        ("a", 10, 2, 0.0), ("b", 10, 2, 0.5),
    ]  # fmt: skip
    assert [trip["metric"] for trip in seen["tripped"]] == ["closing_rate"]


def test_users_are_listed_with_the_highest_rate_first(product: Any) -> None:
    first, second = view.users(watching(product))
    assert (first["reactions"], first["line"], second["key"], second["reactions"]) == (7, 5, "u", 4)


def test_a_flag_told_twice_is_shown_once_and_the_newest_comes_first(product: Any) -> None:
    guard = watching(product)
    (flag,) = guard.recent
    later = Flag(rule="r", key="d", subject="device", score=1.0, evidence={}, flagged_at=product.noon + timedelta(1))
    for each in (flag, later, flag):
        guard.follow(Flag, pack([each]))
    assert [row["rule"] for row in view.flags(guard)] == ["r", "reactions_per_minute"]


def test_rates_of_long_ago_do_not_lead_and_an_event_ahead_of_its_time_hides_nobody(product: Any) -> None:
    guard = Guard(Rules())
    old = [product.reacted("x", at=n, user="january") for n in range(44)]
    new = [product.reacted("x", at=9e6 + n, user="november") for n in range(2)]
    guard.observe(product.message(*old, at=9e6))
    assert [row["key"] for row in view.users(guard)] == ["january"]
    guard.observe(product.message(*new, offset=1, at=9e6))
    assert [row["key"] for row in view.users(guard)] == ["november"]
    hours_ahead = product.reacted("x", at=9e6 + 80_000, user="ahead")
    guard.observe(product.message(hours_ahead, offset=2, at=9e6))
    now = product.noon + timedelta(seconds=9e6 + 60)
    assert [row["key"] for row in view.users(guard, lambda: now)] == ["november", "ahead"]


def test_arms_have_intervals_a_beginning_and_whether_they_tripped(product: Any) -> None:
    a, b = view.arms(watching(product))
    assert a["love_interval"][0] < a["love_rate"] == 0.2 < a["love_interval"][1]
    assert (a["since"], a["tripped"], b["tripped"]) == (product.noon.isoformat(), False, True)


def test_evidence_grows_towards_its_line() -> None:
    guard = pushing(windows=30)
    tests = {(each["metric"], each["against"]): each for each in view.evidence(guard)}
    assert set(tests) == {("closing_rate", "limit"), ("closing_rate", "control"), ("love_rate", "control")}
    assert tests["closing_rate", "limit"]["way"] == 1
    few = {(each["metric"], each["against"]): each["way"] for each in view.evidence(pushing(windows=3))}
    assert 0 < few["closing_rate", "limit"] < 1
    assert few["love_rate", "control"] == 0


def pushing(windows: int) -> Guard:
    """A guard that knows of a control arm and of one that says goodbye in a fifth of its responses."""
    guard = Guard(Rules(window_seconds=60))
    rows: dict[Any, Any] = {}
    for number in range(windows):
        rows |= {(number, ("e", "control", "p")): (50, 2, 1), (number, ("e", "pushy", "q")): (50, 2, 10)}
    guard.board.put(0, 0, Snapshot(rows, 0), datetime.fromtimestamp(86_400, UTC))
    return guard
