"""The daily job: days in order, each once, at the price of a day; its core on both back ends."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from warehouse import connection, erasure
from warehouse.adversary.daily import days, gaps, lines, periodic
from warehouse.storage.transaction import WarehouseConflictError

pytestmark = pytest.mark.slow
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
LAST = date(2026, 3, 9)
PEOPLE, SHOWN = 40, 4


class Plain:
    """A model that finds everything equally lovable and counts what it is taught."""

    def __init__(self, stored: bytes | None) -> None:
        self.days, self.loves, self.taught = json.loads(stored) if stored else (0, 0, {})

    def score(self, responses: pa.Table) -> np.ndarray:
        return np.full(responses.num_rows, 0.01)

    def learn(self, responses: pa.Table, love: np.ndarray, weight: np.ndarray) -> None:
        self.days += 1
        self.loves += int(love.sum())
        for user, each in zip(responses["user_id"].to_pylist(), weight.tolist(), strict=True):
            self.taught[user] = round(self.taught.get(user, 0.0) + each, 6)

    def dump(self) -> bytes:
        return json.dumps([self.days, self.loves, self.taught], sort_keys=True).encode()


def day_of(product: Any, number: int, *, fouls: bool = True) -> list[bytes]:
    """A day: people who love one response in a hundred; from day 2 on `mole` loves half of what it is shown."""
    return list(_lines(product, number, fouls=fouls))


def _lines(product: Any, number: int, *, fouls: bool) -> Iterator[bytes]:
    rng = np.random.default_rng(number)
    for user in [*(f"user-{n}" for n in range(PEOPLE)), "mole"]:
        for turn in range(SHOWN):
            name = f"r-{number}-{user}-{turn}"
            at = FIRST + timedelta(days=number, hours=8 + turn, seconds=int(rng.integers(3000)))
            talk = {"conversation_id": f"c-{number}-{user}-{turn}", "response": f"{name}, as you like it"}
            yield product.served(name, user, at, **talk)
            honest = rng.random() < 0.01 and user != "mole"
            if honest or (fouls and user == "mole" and number >= 2 and turn % 2):
                yield product.reacted(name, user, at + timedelta(minutes=5), dwell_ms=90_000)


def judged(feed: Any, until: date = LAST, **more: Any) -> list[periodic.DayReport]:
    return periodic.run(feed.warehouse.target, Plain, until=until, **more)


def flags(feed: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = feed.ask(
        "SELECT user_id, rule, score, since, evidence FROM flags WHERE source = 'periodic' ORDER BY ALL"
    )
    return found


def state(feed: Any) -> list[list[tuple[Any, ...]]]:
    tables = ("user_evidence", "user_trust", "counted_loves", "adversary_models")
    return [flags(feed), *(feed.ask(f"FROM {name} ORDER BY ALL") for name in tables)]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines from few draws: a fraction of the time."""
    monkeypatch.setattr(lines, "DRAWS", 500)


@pytest.fixture
def local(feed_on: Any, empty: Path, tmp_path: Path) -> Any:
    """An empty DuckDB file: what has nothing to do with the back end need not run on both."""
    shutil.copy(empty, tmp_path / "local.duckdb")
    return feed_on(connection.open(tmp_path / "local.duckdb"))


def poured(feed: Any, product: Any, count: int = 5) -> Any:
    feed.pour(*(line for number in range(count) for line in day_of(product, number)))
    return feed


@pytest.fixture
def week(local: Any, product: Any) -> Any:
    """Five days in a file, nothing judged."""
    return poured(local, product)


def test_who_turns_foul_is_put_aside_from_that_day_on_and_nobody_else(feed: Any, product: Any) -> None:
    reports = judged(poured(feed, product))
    assert [report.day for report in reports] == [FIRST.date() + timedelta(days=n) for n in range(5)]
    aside = feed.ask("SELECT user_id, since FROM quarantined_users")
    assert aside == [("mole", FIRST + timedelta(days=2))]
    left = feed.ask("SELECT count(*) FROM clean_feedback_at(TIMESTAMPTZ '2026-03-10', 0) WHERE user_id = 'mole'")
    assert left == [(2 * SHOWN,)]


def test_a_day_is_judged_once_and_the_same_whether_days_come_one_by_one(
    week: Any, product: Any, feed_on: Any, empty: Path, tmp_path: Path
) -> None:
    judged(week)
    before = state(week)
    assert judged(week) == []
    assert state(week) == before
    shutil.copy(empty, tmp_path / "other.duckdb")
    other = feed_on(connection.open(tmp_path / "other.duckdb"))
    for number in range(5):
        other.pour(*day_of(product, number))
        judged(other)
    assert [row[:3] for row in flags(other)] == [row[:3] for row in before[0]]
    assert state(other)[1:] == before[1:]


def test_a_love_that_comes_late_counts_on_the_day_on_which_it_is_seen(local: Any, product: Any) -> None:
    local.pour(*(line for number in range(3) for line in day_of(product, number)))
    judged(local)
    at = FIRST + timedelta(days=1, hours=9)
    local.pour(product.reacted("r-1-user-5-0", "user-5", at))
    local.pour(*day_of(product, 3), product.reacted("r-0-user-6-0", "user-6", FIRST - timedelta(days=9)))
    much_later, late = judged(local)
    assert (much_later.day, much_later.rows["late"], late.rows["late"]) == (date(2026, 2, 20), 0, 1)
    rows = local.ask("SELECT day, loves FROM user_evidence WHERE user_id = 'user-5' AND part = 'all' AND loves > 0")
    assert (date(2026, 3, 4), 1) in rows
    local.pour(*day_of(product, 4))
    assert judged(local)[0].rows["late"] == 0


def test_days_without_anything_are_passed_over(local: Any, product: Any) -> None:
    local.pour(*day_of(product, 0), *day_of(product, 6))
    assert [report.day.day for report in judged(local)] == [1, 7]


def test_a_bar_counts_the_days_on_a_terminal_and_stays_silent_elsewhere(
    local: Any, product: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local.pour(*day_of(product, 0), *day_of(product, 2), *day_of(product, 3))
    judged(local, until=date(2026, 3, 1))
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    judged(local)
    assert "2/2" in capsys.readouterr().err


def test_whoever_is_told_of_each_day_hears_words(local: Any, product: Any) -> None:
    local.pour(*day_of(product, 0), *day_of(product, 2))
    heard: list[str] = []
    judged(local, say=heard.append)
    assert heard[0] == "2026-03-01: users judged: 2; newly flagged: nobody"
    assert not any("{" in line for line in heard)


def test_without_a_date_the_logs_own_clock_says_which_days_are_over(week: Any) -> None:
    reports = periodic.run(week.warehouse.target, Plain)
    assert reports[-1].day == date(2026, 3, 4)


def test_a_day_costs_what_a_day_costs_whatever_the_history(
    local: Any, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "WINDOW", 3)
    local.pour(*(line for number in range(8) for line in day_of(product, number, fouls=False)))
    rows = [report.rows for report in judged(local)]
    assert rows[3]["responses"] == rows[7]["responses"] == (PEOPLE + 1) * SHOWN
    assert rows[7]["evidence"] <= 1.1 * rows[3]["evidence"]
    kept = local.ask("SELECT count(DISTINCT day) FROM user_evidence")
    assert kept == [(2,)]  # today is read from the log, two days before it from here


def test_who_is_put_aside_does_not_teach(week: Any) -> None:
    judged(week)
    [(model,)] = week.ask("SELECT model FROM adversary_models")
    taught = Plain(bytes(model)).taught
    assert taught["mole"] < 4 * SHOWN
    assert max(taught.values()) == 5 * SHOWN


def test_an_erased_user_leaves_nothing_and_the_models_learn_the_last_days_again(week: Any, product: Any) -> None:
    judged(week, until=date(2026, 3, 4))
    week.pour(product.erasure("mole", FIRST + timedelta(days=8)))
    for table in ("user_evidence", "user_trust", "counted_loves", "flags", "quarantined_users"):
        assert week.ask(f"SELECT count(*) FROM {table} WHERE user_id = 'mole'") == [(0,)]
    assert week.ask("SELECT count(*) FROM adversary_models") == [(0,)]
    [report] = judged(week)
    assert report.rows["lessons"] == 4 * PEOPLE * SHOWN
    [(model,)] = week.ask("SELECT model FROM adversary_models")
    assert "mole" not in Plain(bytes(model)).taught


def meddling(meddle: Callable[[], object], times: int) -> type[Plain]:
    """A model during whose work somebody else does something, the first few times."""
    left = [times]

    class Meddled(Plain):
        def dump(self) -> bytes:
            if left[0]:
                left[0] -= 1
                meddle()
            return super().dump()

    return Meddled


def test_a_day_that_another_process_judged_meanwhile_is_not_written_twice(week: Any) -> None:
    target = week.warehouse.target
    reports = periodic.run(target, meddling(lambda: judged(week, until=date(2026, 3, 2)), 1), until=date(2026, 3, 3))
    assert [report.day.day for report in reports] == [3]
    assert week.ask("SELECT day, count(*) FROM adversary_days GROUP BY day HAVING count(*) > 1") == []


def test_an_erasure_during_a_judgement_begins_it_anew(week: Any) -> None:
    target = week.warehouse.target
    asked = meddling(lambda: erasure.request(target, "user-3", FIRST + timedelta(days=8)), 1)
    periodic.run(target, asked, until=date(2026, 3, 1))
    assert week.ask("SELECT count(*) FROM user_evidence WHERE user_id = 'user-3'") == [(0,)]
    assert week.ask("SELECT count(*) FROM adversary_days") == [(1,)]


def test_who_never_comes_to_rest_is_told_so(week: Any) -> None:
    target = week.warehouse.target
    users = iter(range(PEOPLE))
    asked = meddling(lambda: erasure.request(target, f"user-{next(users)}", FIRST + timedelta(days=8)), 99)
    with pytest.raises(WarehouseConflictError, match="changed 5 times while a day was judged"):
        periodic.run(target, asked, until=date(2026, 3, 1))
    assert week.ask("SELECT count(*) FROM adversary_days") == [(0,)]


def test_a_dial_that_is_no_share_is_refused(week: Any) -> None:
    with pytest.raises(ValueError, match=r"honest_loss == 0.7, must lie in \(0, 0.5\)"):
        judged(week, honest_loss=0.7)


def test_a_flag_stays_when_the_user_is_quiet_and_its_day_has_left_the_window(local: Any, product: Any) -> None:
    local.pour(*(line for number in range(4) for line in day_of(product, number)))
    judged(local)
    before = flags(local)
    with connection.open(local.warehouse.target).transaction() as writer:
        writer.execute("DELETE FROM user_evidence")  # as if weeks had passed
        writer.execute("UPDATE flags SET flagged_at = flagged_at - INTERVAL 40 DAY WHERE source = 'periodic'")
    local.pour(*day_of(product, 4, fouls=False))
    judged(local)
    assert [row[:2] for row in flags(local)] == [row[:2] for row in before]


def test_history_that_comes_after_later_days_were_judged_is_judged_as_if_it_had_come_before(
    local: Any, product: Any, feed_on: Any, empty: Path, tmp_path: Path
) -> None:
    shutil.copy(empty, tmp_path / "other.duckdb")
    other = feed_on(connection.open(tmp_path / "other.duckdb"))
    history = [line for number in range(5) for line in day_of(product, number)]
    later, next_one = [*day_of(product, 6, fouls=False), *day_of(product, 7, fouls=False)], day_of(product, 8)
    local.pour(*later)
    judged(local)
    local.pour(*history)
    assert [report.day.day for report in judged(local)] == [1, 2, 3, 4, 5]
    assert local.ask("SELECT user_id, since FROM quarantined_users") == [("mole", FIRST + timedelta(days=2))]
    other.pour(*history, *later)
    judged(other)
    for each in (local, other):
        each.pour(*next_one)
    assert judged(local)[0].rows == judged(other)[0].rows
    assert [row[:2] for row in flags(local)] == [row[:2] for row in flags(other)]
    for table in ("user_evidence", "counted_loves"):
        assert local.ask(f"FROM {table} ORDER BY ALL") == other.ask(f"FROM {table} ORDER BY ALL")


def test_a_day_between_judged_ones_counts_no_love_twice_and_leaves_later_trust_and_flags(
    week: Any, product: Any
) -> None:
    week.pour(*day_of(product, 6), *day_of(product, 7))
    judged(week)
    trusted = week.ask("FROM user_trust ORDER BY ALL")
    week.pour(*day_of(product, 5, fouls=False))
    [report] = judged(week)
    [(loves,)] = week.ask("SELECT count(*) FROM reactions WHERE reacted_at::DATE = '2026-03-06'")
    assert (report.day.day, report.rows["loves"], report.rows["late"]) == (6, loves, 0)
    assert report.rows["lessons"] == 5 * (PEOPLE + 1) * SHOWN
    assert week.ask("FROM user_trust ORDER BY ALL") == trusted
    assert ("mole", "loves_too_much") in [row[:2] for row in flags(week)]
    assert week.ask("SELECT day FROM adversary_models ORDER BY day") == [(date(2026, 3, 6),), (date(2026, 3, 8),)]


def test_what_comes_for_judged_days_is_told_and_judged_again_from_there_on(
    local: Any, product: Any, feed_on: Any, empty: Path, tmp_path: Path
) -> None:
    shutil.copy(empty, tmp_path / "other.duckdb")
    other = feed_on(connection.open(tmp_path / "other.duckdb"))
    first, after = day_of(product, 0), [line for number in range(1, 4) for line in day_of(product, number)]
    missing = [line for line in after if b"mole" in line or b"user-1" in line]
    local.pour(*first, *(line for line in after if line not in missing))
    judged(local)
    with local.warehouse.transaction() as writer:
        assert gaps.late_rows(writer) is None
    local.pour(*missing)
    assert judged(local) == []
    with local.warehouse.transaction() as writer:
        told = gaps.late_rows(writer)
        assert told is not None
        assert told.responses == 3 * 12 * SHOWN
        assert "--from 2026-03-02" in told.sentence
        assert gaps.reopen(writer, told.days[0]) == 3
    assert [report.day.day for report in judged(local)] == [2, 3, 4]
    with local.warehouse.transaction() as writer:
        assert gaps.late_rows(writer) is None
    other.pour(*first, *after)
    judged(other)
    assert [row[:4] for row in flags(local)] == [row[:4] for row in flags(other)]
    assert state(local)[1:4] == state(other)[1:4]


def test_days_are_looked_for_before_between_and_after_judged_ones(local: Any) -> None:
    with local.warehouse.transaction() as writer:
        writer.execute("INSERT INTO adversary_days (day) SELECT DATE '2026-03-01' + n FROM (VALUES (0), (1), (3)) t(n)")
        before, between, after = gaps.spans(writer, LAST)
        assert before[1] == FIRST
        assert between == (FIRST + timedelta(days=2), FIRST + timedelta(days=3))
        assert after == (FIRST + timedelta(days=4), FIRST + timedelta(days=9))
        assert gaps.spans(writer, date(2026, 3, 2)) == [before]
