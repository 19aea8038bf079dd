import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from streams.live.board import Snapshot
from streams.live.guard import Guard
from streams.live.messages import Flag, Trip, pack
from streams.live.page import page
from streams.live.partition import PartitionGuard
from streams.live.pulse import BrokerPulse
from streams.live.rules import Rules


def rows_of(text: str, caption: str) -> list[tuple[str, dict[str, str]]]:
    """Class and cells, by their heads and without tags, of every row of a table."""
    table = text.partition(f"<caption>{caption}</caption>")[2].partition("</table>")[0]
    rows = re.findall(r'<tr role="row" class="(\w*)">(.*?)</tr>', table)
    cells = r'<td [^>]*data-head="([^"]+)"><span>(.*?)</span></td>'
    return [
        (kind, {head: re.sub("<[^>]+>", " ", cell).strip() for head, cell in re.findall(cells, row)})
        for kind, row in rows
    ]


def arms_of(text: str) -> dict[str, tuple[str, dict[str, str]]]:
    return {row["Arm"]: (kind, row) for kind, row in rows_of(text, "Arms")}


@pytest.fixture
def guard() -> Guard:
    """A control arm, one that pushes users away and has tripped, and one of no experiment; all long ago."""
    found = Guard(Rules(window_seconds=60))
    rows: dict[Any, Any] = {(9, (None, None, "base")): (10, 1, 0)}
    for number in range(30):
        rows |= {(number, ("e", "control", "p")): (50, 2, 1), (number, ("e", "pushy", "q")): (50, 2, 10)}
    found.board.put(0, 0, Snapshot(rows, 0), datetime.fromtimestamp(86_400, UTC))
    found.partitions[0] = PartitionGuard(0, found.rules, found.board, 0)
    for trip in found.new_trips():
        found.follow(Trip, pack([trip]))
    found.pulse.held = True
    found.pulse.answered({0: 0}, 1510)
    return found


def test_the_page_is_whole_loads_nothing_else_and_escapes_what_comes_from_outside(product: Any) -> None:
    guard, name = Guard(Rules(user_line=5)), '<script>alert("x")</script>'
    guard.observe(product.message(*(product.reacted("x", at=n, user=name) for n in range(7))))
    for _, value in guard.outbox(1).flags:
        guard.follow(Flag, value)
    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, found: tags.append((tag, dict(found)))  # type: ignore[method-assign]
    parser.feed(page(guard))
    links = [found.get("href") or "" for tag, found in tags if tag == "a"]
    assert [tag for tag, _ in tags].count("script") == 1, "ours, inline"
    assert page(guard).count("&lt;script&gt;") == 2
    assert not any("src" in found for _, found in tags)
    assert all(link.startswith("/") for link in links)
    assert {"/", "/metrics", "/health", "/evidence"} <= set(links)
    assert not re.search(r"https?://|@import|url\(", page(guard))


def test_the_page_can_be_read_on_a_phone_in_the_dark_by_ear_and_without_a_script(guard: Guard) -> None:
    text = page(guard)
    assert '<html lang="en">' in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    assert text.count("http-equiv") == 1, "who has a script reloads nothing"
    assert "prefers-color-scheme: dark" in text
    assert text.count("<th ") == text.count('<th scope="col"') > 0
    assert 'id="banner" role="status" aria-live="polite"' in text


def test_before_the_first_event_the_page_says_so() -> None:
    text = page(Guard(Rules()))
    assert "no event yet" in text
    assert "1970" not in text
    assert "<strong>Starting.</strong>" in text
    assert all(said in text for said in ("No arm yet.", "No flag yet.", "Nobody reacted"))


def test_an_arm_that_tripped_looks_different_and_every_arm_says_how_near_it_is(guard: Guard) -> None:
    arms = arms_of(page(guard))
    kind, pushy = arms["pushy"]
    assert (kind, pushy["Status"]) == ("off", "off: must not be served")
    assert pushy["Evidence"].startswith("100% of the way to its line")
    assert (pushy["Loves"], pushy["Love rate"].split()[0], pushy["Closing rate"].split()[0]) == (
        "60",
        "4.00%",
        "20.00%",
    )
    assert (arms["control"][0], arms["control"][1]["Status"]) == ("", "control")
    assert arms["-"][1]["Status"] == "no test"
    assert "e / pushy</strong> must not be served: closing rate 20.00% against 10.00% (limit)" in page(guard)


def test_a_broker_that_is_away_is_said_in_red_with_the_age_of_the_numbers(guard: Guard) -> None:
    now = [1000.0]
    guard.pulse = BrokerPulse(clock=lambda: now[0])
    guard.pulse.held = True
    guard.pulse.answered({0: 3}, 5)
    assert 'class="banner bad"><strong>The broker' not in page(guard)
    guard.pulse.silent("connection refused")
    now[0] += 300
    text = page(guard)
    assert 'class="banner bad"><strong>The broker does not answer.</strong>' in text
    assert "(5 min ago). Reason: the broker has not answered for 300 s (connection refused)." in text
