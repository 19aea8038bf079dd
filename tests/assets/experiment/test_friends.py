"""Communities of friends from a file, what a test by them costs, and whether friends sway each other."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.assets.experiment.conftest import events, in_turn, loveloop, refused, said, store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def circles(file: Path, users: int, size: int) -> Path:
    """Everybody is a friend of all in their circle; each friendship stands in both directions."""
    pairs = [(a, b) for a in range(users) for b in range(users) if a != b and a // size == b // size]
    file.write_text("user_id,friend_id\n" + "".join(f"u{a},u{b}\n" for a, b in pairs))
    return file


def test_the_users_of_the_last_days_are_divided_and_the_cost_of_a_test_by_community_is_told(empty: Path) -> None:
    begin = datetime.now(UTC) - timedelta(days=2)
    for name, circle, rate in (("fond", 0, 0.6), ("cool", 1, 0.05)):
        of_them = [user for user in range(300) if user // 5 % 2 == circle]
        store(empty, events(lambda _: None, of_them, name=name, begin=begin, visits=4, loved={"": rate}))
    file = circles(empty.with_name("friends.csv"), 300, 5)
    made = json.loads(said(loveloop("experiment", "friends", file, "--json", warehouse=empty)))
    assert (made["users"], made["friendships"], made["communities"], made["within"]) == (300, 600, 60, 1.0)
    assert 2 < made["cost"] < 5, "of a circle all are alike: at most five times"
    page = said(loveloop("experiment", "friends", file, warehouse=empty))
    assert f"a test by community takes {made['cost']:.2f} times the exposures of one by user" in page


def test_a_test_dealt_by_user_is_asked_for_influence_and_one_dealt_by_circle_for_its_effect(started: Path) -> None:
    file = circles(started.with_name("friends.csv"), 300, 5)
    store(started, events(in_turn, range(300)))
    store(started, events(lambda user: "treatment" if user // 5 % 2 else "control", range(300), name="circles"))
    by_user = said(loveloop("experiment", "friends", file, "--experiment", "warmer", warehouse=started))
    assert "dealt by user: " in by_user
    assert "friendships)" in by_user
    by_circle = said(loveloop("experiment", "friends", file, "--experiment", "circles", warehouse=started))
    assert "over 30 and 30 communities, variance" in by_circle


def test_a_file_that_names_none_of_the_users_is_refused(started: Path) -> None:
    store(started, events(in_turn, range(10)))
    file = started.with_name("friends.csv")
    file.write_text("user_id,friend_id\nx,y\n")
    asked = ("experiment", "friends", file, "--experiment", "warmer")
    assert "names no friendship between two of these 10 users" in refused(loveloop(*asked, warehouse=started))
    file.write_text("a,b\nx,y\n")
    assert "has the columns a, b, must have user_id and friend_id" in refused(loveloop(*asked, warehouse=started))
