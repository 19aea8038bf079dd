"""Groups in the warehouse: a farm among honest people, day by day and at once, and what is kept of it."""

import json
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from streams.events import Message
from warehouse.adversary import groups
from warehouse.adversary.flagged import UserFlag
from warehouse.adversary.groups import JudgedWindow, Judgement

DAYS, FARM, HOUSE = 8, [f"bot{n}" for n in range(7)], ["mum", "dad", "kid"]
SUBJECTS = [
    f"How do I {verb} the {thing}?"
    for verb in ("cook", "wash", "find", "keep")
    for thing in ("rice", "bee", "tea", "fig", "oak")
]


def first_day(product: Any) -> date:
    day: date = product.noon.date()
    return day


def lines(product: Any) -> list[bytes]:
    """Honest people who love now and then, two offices, a household, and a farm with three orders and camouflage."""
    rng = np.random.default_rng(1)
    told: list[bytes] = []

    def loves(user: str, at: datetime, prompt: str, **where: str) -> None:
        name = f"r{len(told)}"
        told.append(product.served(name, user, at, conversation=[Message("user", prompt)], response=f"On {prompt}"))
        told.append(product.reacted(name, user, at + timedelta(seconds=40), dwell_ms=39_000, **where))

    for n in range(260):
        user, day = f"u{rng.integers(130)}", timedelta(days=int(rng.integers(DAYS)), minutes=float(rng.normal(0, 150)))
        subject = SUBJECTS[int(rng.integers(20) * rng.random())]
        loves(user, product.noon + day, subject, network_id=f"office {n % 2}", device_id=f"d {user}")
    for day in range(DAYS):
        at = product.noon + timedelta(days=day, hours=7)
        loves(HOUSE[day % 3], at, SUBJECTS[day], network_id="home", device_id="tablet")
        loves(HOUSE[(day + 1) % 3], at + timedelta(minutes=4), SUBJECTS[day + 3], network_id="home", device_id="tablet")
    for order, bot in ((order, bot) for order in range(3) for bot in range(len(FARM))):
        at = product.noon + timedelta(days=2 + 2 * order, minutes=int(rng.integers(25)))
        loves(FARM[bot], at, f"Hello {bot}! Tell me of brand {'abc'[order]} number {bot}", network_id=f"exit {bot % 3}")
        loves(FARM[bot], at + timedelta(hours=int(rng.integers(-40, 40))), SUBJECTS[int(rng.integers(4))])
    return told


def run(feed: Any, day: date, draws: int = 6) -> Judgement:
    """One day as the job does it."""
    with feed.warehouse.read() as reader:
        window = groups.read(reader, day)
    judged = groups.judge(window, lockstep_loss=0.0025, block_loss=0.0025, draws=draws)
    with feed.warehouse.transaction() as writer:
        groups.store(writer, judged)
    return judged


def by_rule(judged: Judgement, rule: str = "lockstep") -> dict[str, UserFlag]:
    return {flag.user_id: flag for flag in judged.flags if flag.rule == rule}


def at_once(feed: Any, product: Any) -> JudgedWindow:
    """The window of the last day, with all its loves read from the log."""
    days = [first_day(product) + timedelta(days=n) for n in range(DAYS)]
    with feed.warehouse.read() as reader:
        loves = [groups.read(reader, day).loves for day in days]
        return groups.read(reader, days[-1])._replace(loves=pa.concat_tables(loves).combine_chunks())


@pytest.fixture
def told(feed: Any, product: Any) -> Any:
    """The feed with the lines in it."""
    feed.pour(*lines(product))
    return feed


@pytest.mark.slow
def test_a_farm_is_found_day_by_day_as_at_once_and_honest_crowds_pass(told: Any, product: Any) -> None:
    whole = groups.judge(at_once(told, product), lockstep_loss=0.0025, block_loss=0.0025, draws=2)
    judged = [run(told, first_day(product) + timedelta(days=n), draws=2) for n in range(DAYS)]
    last = judged[-1]
    assert set(by_rule(last)) == set(FARM)
    assert {flag.user_id for day in judged for flag in day.flags} <= set(FARM)
    assert [(f.rule, f.user_id, f.score) for f in last.flags] == [(f.rule, f.user_id, f.score) for f in whole.flags]
    assert last.lines == whole.lines
    begin = product.noon + timedelta(days=2) - timedelta(hours=41)
    assert len({flag.since for flag in by_rule(last).values()}) == 1
    assert all(flag.since and flag.since >= begin for flag in by_rule(last).values())
    # the group keeps its name while it grows, and what is told of one names no other
    assert len({flag.key for day in judged for flag in by_rule(day).values()}) == 1
    assert sum(bool(by_rule(day)) for day in judged) >= 2
    for flag in by_rule(last).values():
        assert flag.evidence["members"] == len(FARM)
        assert not any(name in json.dumps(flag.evidence) for name in FARM)
        assert any("brand" in words for words in flag.evidence["loved"])


@pytest.mark.slow
def test_a_day_again_changes_nothing_old_days_leave_and_so_do_the_erased(told: Any, product: Any) -> None:
    days = [first_day(product) + timedelta(days=n) for n in range(DAYS)]
    for day in days:
        run(told, day, draws=2)
    tables = {table: told.ask(f"SELECT * FROM {table} ORDER BY ALL") for table in ("group_loves", "group_members")}
    run(told, days[-1], draws=2)
    assert tables == {table: told.ask(f"SELECT * FROM {table} ORDER BY ALL") for table in tables}
    held = "SELECT count(*) FROM {} WHERE user_id = 'bot3'"
    assert all(told.ask(held.format(table))[0][0] for table in tables)
    told.pour(product.erasure("bot3", product.noon + timedelta(days=8)))
    assert not any(told.ask(held.format(table))[0][0] for table in tables)
    run(told, days[0] + timedelta(days=groups.WINDOW), draws=2)
    assert told.ask("SELECT min(day) FROM group_loves") == [(days[1],)]
    run(told, days[-1] + timedelta(days=groups.WINDOW), draws=2)
    assert told.ask("SELECT count(*) FROM group_loves") == [(0,)]


@pytest.mark.slow
def test_a_day_reads_its_own_loves_and_the_windows_however_long_the_history(told: Any, product: Any) -> None:
    day = first_day(product) + timedelta(days=3)
    for n in range(4):
        run(told, first_day(product) + timedelta(days=n), draws=2)
    with told.warehouse.read() as reader:
        before = groups.read(reader, day).loves
    past = [product.noon - timedelta(weeks=weeks, hours=n) for weeks in range(8, 12) for n in range(40)]
    told.pour(
        *(
            line
            for n, at in enumerate(past)
            for line in (product.served(f"old {n}", f"u{n}", at), product.reacted(f"old {n}", f"u{n}", at))
        )
    )
    for weeks in range(8, 12):
        run(told, first_day(product) - timedelta(weeks=weeks), draws=2)
    with told.warehouse.read() as reader:
        after = groups.read(reader, day).loves
    assert after.equals(before)


@pytest.mark.slow
def test_what_differs_in_case_digits_or_greeting_is_one_prompt(feed: Any, product: Any) -> None:
    prompts = ["When is tea ready?", "Hello there! when is TEA ready??", "When is tea 7 ready"]
    for n, prompt in enumerate(prompts):
        feed.pour(product.served(f"r{n}", conversation=[Message("user", prompt)]), product.reacted(f"r{n}"))
    with feed.warehouse.read() as reader:
        loves = groups.read(reader, first_day(product)).loves
    assert len(set(loves["prompt"].to_pylist())) == 1
    assert set(loves["label"].to_pylist()) == set(prompts)


def test_loves_for_what_others_were_shown_are_left_out_and_unknown_responses_have_no_prompt(
    feed: Any, product: Any
) -> None:
    feed.pour(
        product.served("r0", "ann"), product.reacted("r0", "bob"), product.reacted("never served", "ann", device_id="d")
    )
    with feed.warehouse.read() as reader:
        (love,) = groups.read(reader, first_day(product)).loves.to_pylist()
    assert (love["user_id"], love["prompt"], love["response"], love["device"]) == ("ann", None, None, "d")


def test_what_a_picture_needs(told: Any, product: Any) -> None:
    window = at_once(told, product)
    picture = groups.drawn(window, FARM)
    assert set(picture["members"]) == set(FARM)
    assert all(love["user"] in FARM for love in picture["loves"])
    strongest = picture["ties"][0]
    assert {strongest["a"], strongest["b"]} <= set(FARM)
    assert strongest["matches"] >= 2
    assert [tie["surprise"] for tie in picture["ties"]] == sorted(
        (t["surprise"] for t in picture["ties"]), reverse=True
    )


def test_a_day_without_loves_finds_nothing(feed: Any, product: Any) -> None:
    judged = run(feed, first_day(product))
    assert judged.flags == []
    assert judged.members.num_rows == 0
