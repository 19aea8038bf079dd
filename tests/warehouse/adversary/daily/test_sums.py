"""Sums of a day by user and part, and how days become windows."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from warehouse.adversary.daily import sums
from warehouse.adversary.daily.days import WINDOW, Seen

DAY = date(2026, 3, 4)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROW = {"user_id": "ann", "conversation_id": "c"}


def responses(*names: str, **same: str) -> pa.Table:
    rows = [
        ROW | same | {"response_id": name, "served_at": NOON + timedelta(minutes=n)} for n, name in enumerate(names)
    ]
    kinds = {"user_id": pa.string(), "conversation_id": pa.string(), "response_id": pa.string()}
    schema = pa.schema({**kinds, "served_at": pa.timestamp("us", "UTC")})
    return pa.Table.from_pylist(rows, schema)


def loves(*names: str, user: str = "ann") -> pa.Table:
    rows = [{"user_id": user, "response_id": name, "reacted_at": NOON} for name in names]
    schema = pa.schema({"user_id": pa.string(), "response_id": pa.string(), "reacted_at": pa.timestamp("us", "UTC")})
    return pa.Table.from_pylist(rows, schema)


def seen(served: pa.Table, loved: pa.Table, earlier: pa.Table | None = None) -> Seen:
    none: Any = None
    return Seen(DAY, None, served, loved, responses() if earlier is None else earlier, none, none, frozenset(), None)


def rows(found: pa.Table) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["user_id"], row["part"]): row for row in found.to_pylist()}


def test_what_is_shown_is_charged_and_what_is_loved_counts() -> None:
    day = seen(responses("r1", "r2", "r3"), loves("r3"))
    found = rows(sums.day_sums(day, np.array([0.01, 0.01, 0.02]), np.zeros(0)))["ann", "all"]
    assert (found["exposures"], found["loves"]) == (3, 1)
    assert found["expected"] == pytest.approx(0.04)
    assert found["surprise"] == pytest.approx(-np.log(0.02))


def test_a_love_on_what_somebody_else_was_shown_is_no_love_of_theirs() -> None:
    found = rows(sums.day_sums(seen(responses("r1"), loves("r1", user="bob")), np.array([0.01]), np.zeros(0)))
    assert found["ann", "all"]["loves"] == 0
    assert ("bob", "all") not in found


def test_after_a_love_another_one_in_the_same_conversation_surprises_less() -> None:
    served, chance = responses("r1", "r2", "r3"), np.full(3, 0.01)
    second = rows(sums.day_sums(seen(served, loves("r1", "r2")), chance, np.zeros(0)))["ann", "all"]
    assert second["expected"] == pytest.approx(0.01 * (1 + 2 * sums.MOOD))
    assert second["surprise"] == pytest.approx(-np.log(0.01) - np.log(0.01 * sums.MOOD))


def test_a_late_love_adds_no_exposure_to_its_day() -> None:
    day = seen(responses("r1"), loves("r0"), responses("r0"))
    found = rows(sums.day_sums(day, np.array([0.01]), np.array([0.03])))["ann", "all"]
    assert (found["exposures"], found["loves"]) == (1, 1)
    assert found["expected"] == pytest.approx(0.01)


def test_what_others_seldom_love_is_a_part_of_its_own_and_never_below_the_floor() -> None:
    chance = np.array([0.02, 0.02, 1e-6])
    found = rows(sums.day_sums(seen(responses("r1", "r2", "r3"), loves("r3")), chance, np.zeros(0)))
    assert found["ann", "unlikely"]["loves"] == 1
    assert found["ann", "unlikely"]["expected"] == pytest.approx(chance.mean() / sums.LEAST)
    assert found["ann", "all"]["exposures"] == 3


def test_windows_do_not_depend_on_the_order_or_the_pieces_in_which_rows_came() -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "user_id": rng.choice(["ann", "bob", "cyd"], 60),
            "day": pa.array([DAY - timedelta(days=int(n)) for n in rng.integers(0, WINDOW, 60)], pa.date32()),
            "part": rng.choice(sums.PARTS, 60),
            "exposures": rng.integers(1, 9, 60),
            "expected": rng.random(60),
            "loves": rng.integers(0, 3, 60),
            "surprise": rng.random(60),
        }
    )
    users = pa.array(["bob", "ann"])
    whole = sums.windows(users, table, DAY)
    shuffled = pa.concat_tables([table.slice(40), table.slice(0, 40)]).take(pa.array(rng.permutation(60)))
    for one, other in zip(whole, sums.windows(users, shuffled, DAY), strict=True):
        np.testing.assert_allclose(np.stack(one), np.stack(other))
    assert whole[0].exposures.sum() + whole[1].exposures.sum() == sum(
        row["exposures"] for row in table.to_pylist() if row["user_id"] != "cyd"
    )


def test_what_many_made_to_look_lovable_still_counts_against_them() -> None:
    contaminated = np.array([0.005] * 98 + [0.06] * 2)
    day = seen(responses(*(f"r{n}" for n in range(100))), loves("r98", "r99"))
    found = rows(sums.day_sums(day, contaminated, np.zeros(0)))["ann", "all"]
    assert found["surprise"] > 2 * -np.log(0.06)
    assert found["expected"] < contaminated.sum()
