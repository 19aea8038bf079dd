import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

from streams.live import view
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
    assert guard.tellings()
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


def test_the_page_is_whole_loads_nothing_else_and_escapes_what_comes_from_outside(product: Any) -> None:
    page = view.page(watching(product))
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(page)
    assert "script" not in tags
    assert "&lt;script&gt;" in page
    assert not re.search(r"src=|href=|https?://", page)
    assert '<meta http-equiv="refresh"' in page
    assert "must not be served: closing rate 50.00% against 1.00% (control)" in page


def test_an_empty_guard_has_a_page_too() -> None:
    page = view.page(Guard(Rules()))
    assert "No arm has tripped." in page
    assert page.count("None.") == 3
