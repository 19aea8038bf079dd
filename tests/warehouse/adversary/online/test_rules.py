import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.events import Message
from warehouse import connection
from warehouse.adversary.daily.versions import filter_version
from warehouse.adversary.online import rules
from warehouse.fingerprint import fingerprints

MINUTE = timedelta(minutes=1)


@pytest.fixture
def feed(empty: Path, tmp_path: Path, feed_on: Any) -> Any:
    """On a file; a lake has its own test below."""
    return feed_on(connection.open(Path(shutil.copy(empty, tmp_path / "w.duckdb"))))


def loves(
    product: Any, user: str, count: int, apart: timedelta, *, shown: int = 1, after: float = 9, **reaction: Any
) -> list[bytes]:
    """A user is shown `shown` responses every so often and loves the last of them."""
    lines = []
    for n in range(count):
        at = product.noon + n * apart
        for k in range(shown):
            text = f"{product.text} That was answer {n} of {k}."
            lines.append(product.served(f"{user}-{n}-{k}", user, at + timedelta(seconds=k), response=text))
        reacted = at + timedelta(seconds=shown - 1 + after)
        lines.append(product.reacted(f"{user}-{n}-{shown - 1}", user, reacted, **reaction))
    return lines


def flags(feed: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = feed.ask(
        "SELECT DISTINCT rule, coalesce(response_id, user_id) FROM flags ORDER BY 1, 2"
    )
    return found


def told(message: str, *before: str) -> list[Message]:
    """A conversation whose messages by the user are these, the last one last."""
    talk = []
    for earlier in before:
        talk += [Message("user", earlier), Message("assistant", "I see.")]
    return [*talk, Message("user", message)]


def test_loving_all_of_many_responses_within_an_hour_leaves_out_the_user_and_the_week_before(
    feed: Any, product: Any
) -> None:
    week, month = product.noon - timedelta(days=5), product.noon - timedelta(days=30)
    old = [product.served("last week", "bot", week), product.served("last month", "bot", month)]
    feed.pour(*old, *loves(product, "bot", 12, 4 * MINUTE))
    found = feed.ask("SELECT evidence, flagged_at FROM flags WHERE rule = 'rate_per_user'")
    assert json.loads(found[0][0]) == {"loves_within_the_hour": 12, "shown_in_the_sitting": 12}
    assert found[0][1] == product.noon + 9 * 4 * MINUTE + timedelta(seconds=9)  # the tenth love
    assert feed.ask("SELECT response_id FROM clean_feedback") == [("last month",)]


def test_a_rater_who_loves_three_in_ten_is_let_be_however_much_they_rate(feed: Any, product: Any) -> None:
    feed.pour(*loves(product, "rater", 26, 2 * MINUTE, shown=3))
    assert flags(feed) == []


def test_nobody_reads_and_loves_more_than_sixty_responses_within_an_hour(feed: Any, product: Any) -> None:
    feed.pour(*loves(product, "bot", 61, timedelta(seconds=50), shown=4))
    assert flags(feed) == [("rate_per_user", "bot")]


@pytest.mark.slow
def test_a_burst_is_seen_across_the_full_hour_across_batches_and_across_midnight(feed: Any, product: Any) -> None:
    product.noon += timedelta(hours=11, minutes=45)
    lines = loves(product, "bot", 14, 2 * MINUTE)
    for start in range(0, len(lines), 7):
        feed.pour(*lines[start : start + 7])
    assert feed.ask("SELECT user_id, rules FROM quarantined_users") == [("bot", ["rate_per_user"])]


def test_loving_everything_all_day_long_is_seen_and_one_in_four_is_a_fan(feed: Any, product: Any) -> None:
    slowly = timedelta(minutes=55)
    feed.pour(*loves(product, "bot", 11, slowly), *loves(product, "fan", 11, slowly, shown=4))
    assert flags(feed) == [("love_streak", "bot")]


def test_what_was_shown_and_comes_late_takes_a_flag_away_again(feed: Any, product: Any) -> None:
    lines = loves(product, "fan", 11, timedelta(minutes=55), shown=4)
    late = [line for line in lines if b"served" in line and b'-3"' not in line]
    feed.pour(*(line for line in lines if line not in late))
    assert flags(feed) == [("love_streak", "fan")]
    feed.pour(*late)
    assert flags(feed) == []


def test_a_love_faster_than_reading_does_not_count_and_the_response_stays_in_the_denominator(
    feed: Any, product: Any
) -> None:
    feed.pour(
        product.served("r1"),
        product.reacted("r1", dwell_ms=120),
        product.served("r2"),
        product.reacted("r2", dwell_ms=4_000),
    )
    assert feed.ask("SELECT rule, response_id FROM flags") == [("faster_than_reading", "r1")]
    assert feed.ask("SELECT response_id, love FROM clean_feedback ORDER BY 1") == [("r1", False), ("r2", True)]


@pytest.mark.parametrize(("ms", "caught"), [(0, False), (150, True), (300, False)])
def test_without_a_dwell_time_the_event_times_speak_with_half_the_force(
    feed: Any, product: Any, ms: int, caught: bool
) -> None:
    feed.pour(product.served("r1"), product.reacted("r1", at=product.noon + timedelta(milliseconds=ms)))
    assert flags(feed) == ([("faster_than_reading", "r1")] if caught else [])


def test_a_reaction_that_came_before_its_response_is_judged_when_the_response_comes(feed: Any, product: Any) -> None:
    feed.pour(product.reacted("r1", dwell_ms=120))
    assert feed.ask("SELECT * FROM flags") == []
    feed.pour(product.served("r1"))
    assert feed.ask("SELECT rule, flagged_at FROM flags") == [("faster_than_reading", product.noon)]


def test_a_love_for_a_response_shown_to_somebody_else_is_flagged_and_does_not_count(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "eve"))
    assert feed.ask("SELECT rule, user_id, response_id FROM flags") == [("not_shown_to_user", "eve", "r1")]
    assert feed.ask("SELECT user_id, love FROM clean_feedback") == [("ann", False)]


def test_a_flag_falls_when_the_log_no_longer_bears_it_out(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "bea"))
    assert feed.ask("SELECT count(*) FROM flags") == [(1,)]
    feed.pour(product.served("r1", "bea", product.noon + timedelta(seconds=1)))  # shown to both
    assert feed.ask("SELECT count(*) FROM flags") == [(0,)]


POEM = "Lumora tea is the finest tea that money can buy, so ask for it in every shop."


@pytest.mark.parametrize(
    ("message", "response", "caught"),
    [
        (f"Repeat after me: {POEM}", POEM, True),
        (f"My teacher wrote {POEM.upper()} Put that on the poster.", f"Of course, here you are: {POEM}", True),
        ('Say "Lumora is best."', "Lumora is best!", True),
        ("Your line is: Lumora is best", "lumora is best", True),
        ("Good morning to you", "Good morning to you", False),
        ("yes", "Yes", False),
        ("What is the capital of Peru, by the way?", "Lima is the capital of Peru.", False),
        ("Tell me about Lumora tea.", POEM, False),
    ],
)
def test_a_love_for_words_that_the_user_dictated_does_not_count(
    feed: Any, product: Any, message: str, response: str, caught: bool
) -> None:
    feed.pour(
        product.served("r1", conversation=told(message), response=response), product.reacted("r1", dwell_ms=9_000)
    )
    assert flags(feed) == ([("dictated", "r1")] if caught else [])


def test_a_dictation_may_come_one_message_earlier(feed: Any, product: Any) -> None:
    talk = told("Now say it.", f"Learn this by heart: {POEM}")
    feed.pour(product.served("r1", conversation=talk, response=POEM), product.reacted("r1", dwell_ms=9_000))
    assert flags(feed) == [("dictated", "r1")]


def test_of_one_exchange_that_is_loved_again_and_again_the_first_love_counts(feed: Any, product: Any) -> None:
    hours = [product.noon + n * timedelta(hours=1) for n in range(4)]
    shown = [product.served(f"r{n}", at=at) for n, at in enumerate(hours)]
    loved = [product.reacted(f"r{n}", at=at + MINUTE, dwell_ms=60_000 + n) for n, at in enumerate(hours)]
    feed.pour(*shown, *loved)
    assert flags(feed) == [("repeated_exchange", f"r{n}") for n in (1, 2, 3)]
    assert feed.ask("SELECT response_id FROM clean_feedback WHERE love") == [("r0",)]


@pytest.mark.slow
def test_a_love_told_again_under_a_fresh_id_does_not_bring_back_what_was_removed(feed: Any, product: Any) -> None:
    soon, later = product.noon + MINUTE, product.noon + timedelta(days=9)
    feed.pour(
        product.served("r1"),
        product.reacted("r1", at=product.noon + timedelta(seconds=9), dwell_ms=9_000),
        product.reacted("r1", at=soon, action="removed"),
        product.reacted("r1", at=soon + MINUTE, dwell_ms=9_000),
        product.reacted("r1", at=later, dwell_ms=9_000),  # too far away for a flag
    )
    assert flags(feed) == [("replayed", "r1")]
    assert feed.ask("SELECT love FROM clean_feedback") == [(False,)]
    feed.pour(product.reacted("r1", at=later + MINUTE, dwell_ms=777_669_000))
    assert feed.ask("SELECT love FROM clean_feedback") == [(True,)]


def test_a_copy_takes_nothing_from_the_love_that_it_copies(feed: Any, product: Any) -> None:
    again = [product.reacted("r1", at=product.noon + n * MINUTE, dwell_ms=9_000) for n in range(3)]
    feed.pour(product.served("r1"), *again)
    assert feed.ask("SELECT count(*) FROM flags WHERE rule = 'replayed'") == [(2,)]
    assert feed.ask("SELECT love FROM clean_feedback") == [(True,)]


@pytest.mark.parametrize(("users", "caught"), [(4, False), (5, True)])
def test_a_household_may_share_a_device_and_a_crowd_may_not(feed: Any, product: Any, users: int, caught: bool) -> None:
    every = [loves(product, f"user-{n}", 1, MINUTE, shown=3, device_id="tablet") for n in range(users)]
    feed.pour(*every[0])
    feed.pour(*(line for lines in every[1:] for line in lines))
    found = feed.ask("SELECT user_id FROM flags WHERE rule = 'device_crowd' AND key = 'tablet' ORDER BY 1")
    assert found == ([(f"user-{n}",) for n in range(users)] if caught else [])


def test_on_a_network_only_those_who_love_half_of_all_they_see_make_a_crowd(feed: Any, product: Any) -> None:
    farm = [loves(product, f"farm-{n}", 2, MINUTE, network_id="w") for n in range(20)]
    people = [loves(product, "person", 1, MINUTE, shown=8, network_id="w")]
    carrier = [loves(product, f"caller-{n}", 1, MINUTE, shown=1 + n % 3, network_id="carrier") for n in range(30)]
    feed.pour(*(line for lines in (*farm, *people, *carrier) for line in lines))
    caught = feed.ask("SELECT DISTINCT user_id FROM flags WHERE rule = 'network_crowd' AND key = 'w' ORDER BY 1")
    assert caught == sorted((f"farm-{n}",) for n in range(20))
    assert feed.ask("SELECT count(*) FROM flags WHERE key = 'carrier'") == [(0,)]


@pytest.mark.slow
def test_of_one_users_many_loves_within_thirty_days_no_more_than_the_cap_counts(feed: Any, product: Any) -> None:
    feed.pour(*loves(product, "fan", 80, timedelta(minutes=20), shown=4), *loves(product, "ann", 3, MINUTE, shown=4))
    assert flags(feed) == []
    weights = feed.ask("SELECT user_id, sum(trust) FROM clean_feedback WHERE love GROUP BY 1 ORDER BY 1")
    assert weights == [("ann", 3.0), ("fan", 40.0)]
    assert feed.ask("SELECT DISTINCT trust FROM clean_feedback WHERE NOT love") == [(1.0,)]


@pytest.mark.slow
def test_a_lake_says_of_everything_what_a_file_says(feed: Any, feed_on: Any, lakes: Any, product: Any) -> None:
    lines = product.day(users=6) + loves(product, "bot", 12, 4 * MINUTE)
    for n in range(14):
        lines += loves(product, f"farm-{n}", 2, MINUTE, network_id="w", device_id="d", dwell_ms=9_000)
        lines += loves(product, f"farm-{n}", 1, MINUTE, network_id="w", device_id="d", dwell_ms=9_000)
    talk = told(f"Repeat after me: {POEM}")
    for n in range(4):
        lines += [product.served(f"p{n}", "eve", response=POEM, conversation=talk), product.reacted(f"p{n}", "eve")]
    lake = feed_on(lakes.migrated())
    for place in (feed, lake):
        place.pour(*lines[::2])
        place.pour(*lines[1::2])
    assert {rule for rule, _ in flags(feed)} == {rule.name for rule in rules()}
    assert fingerprints(lake.warehouse.target) == fingerprints(feed.warehouse.target)


def test_every_rule_names_its_subject_input_and_version() -> None:
    assert {rule.subject for rule in rules()} == {"user", "reaction"}
    assert {rule.input for rule in rules()} == {"affected_pairs", "user_moments", "loved_texts", "crowds"}
    assert all(f"{rule.name}-{rule.version}" in filter_version() for rule in rules())
