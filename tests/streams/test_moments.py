import json
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.events import decode, moment_of
from streams.moments import NEVER, TWICE, is_plain, read

NOON = datetime(2025, 11, 20, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "told",
    [
        "1763640000", "1763640000000", "1763640000000000", "1763640000000000000", "1763640000.0", " 1763640000 ",
        1763640000, 1763640000.0, Decimal(1763640000), 1763640000 * 10**9, "2025-11-20 12:00:00 UTC",
        "2025-11-20 12:00:00.000 UTC", "2025-11-20T12:00:00GMT", "2025-11-20 12:00:00 +0000 UTC",
        "2025-11-20 14:00:00 +02:00", "2025-11-20T12:00:00.000000000Z", "20251120T120000Z",
    ],
)  # fmt: skip
def test_a_moment_is_the_same_in_whatever_form_it_comes(told: Any) -> None:
    assert read(told) == NOON


def test_digits_are_never_a_date_of_long_ago() -> None:
    assert read("1700010112345") == datetime(2023, 11, 15, 1, 1, 52, 345000, UTC)
    assert read("20251120", UTC) == read(date(2025, 11, 20), UTC) == NOON.replace(hour=0)


@pytest.mark.parametrize(
    "told", ["2025-11-20T12:00:00.9999999Z", "2025-11-20 12:00:00.999999999 UTC", "1763640000999999999",
             1763640000999999999]
)  # fmt: skip
def test_what_is_finer_than_a_microsecond_is_cut_off_not_rounded(told: Any) -> None:
    assert read(told) == NOON.replace(microsecond=999_999)


@pytest.mark.parametrize("told", ["2016-12-31T23:59:60Z", "2016-12-31 23:59:60.5 UTC", "2017-01-01T05:29:60+05:30"])
def test_a_leap_second_is_the_last_microsecond_before_it(told: str) -> None:
    assert read(told) == datetime(2016, 12, 31, 23, 59, 59, 999_999, UTC)
    for none in (
        "2016-12-31T23:58:61Z",
        "2016-12-31T12:00:60Z",
        "2016-12-31T23:59:60+05:30",
        "0001-01-01T00:00:60+14:00",
    ):
        assert read(none) == none


def test_a_float_of_seconds_is_the_nearest_microsecond() -> None:
    assert read(1763640000.123) == NOON.replace(microsecond=123_000)
    assert read("1763640000.123456") == NOON.replace(microsecond=123_456)


def test_local_times_that_came_twice_or_never_are_told() -> None:
    told: Counter[str] = Counter()
    assert read("2026-10-25T02:30:00", BERLIN, told) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert read("2026-10-25T02:30:00+01:00", BERLIN, told) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert read("2026-03-29T02:30:00", BERLIN, told) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert read("2026-03-29T12:00:00", BERLIN, told) == datetime(2026, 3, 29, 10, tzinfo=UTC)
    assert told == {TWICE: 1, NEVER: 1}


@pytest.mark.parametrize(
    "told",
    ["2025-11-20T12:00:00", datetime(2025, 11, 20), True, "soon", "", "1.7e9", "nan", float("nan"), float("inf"), 1e300,
     "9" * 30, [1], None, "2025-11-20 12:00:00 CET", "0001-01-01T00:00:00+14:00"],
)  # fmt: skip
def test_what_names_no_moment_is_left_as_it_is(told: Any) -> None:
    assert read(told) is told


def test_the_contract_s_own_form_is_plain() -> None:
    assert is_plain("2025-11-20T12:00:00.123456Z")
    assert is_plain("2025-11-20T12:00:00+02:00")
    assert not any(map(is_plain, ["2025-11-20T12:00:00.1234567Z", "2025-11-20 12:00:00Z", "1763640000", 1763640000]))


@pytest.mark.parametrize("told", ["2025-11-20T12:00:00.9999999Z", "1763640000999999999", 1763640000999999999])
def test_the_wire_reads_moments_as_files_do(told: Any) -> None:
    line = {"type": "erasure_requested", "event_id": "019ca945-0a00-7000-8000-000000000001", "user_id": "u"}
    event = decode(json.dumps(line | {"requested_at": told}).encode(), received_at=NOON).event
    assert moment_of(event) == NOON.replace(microsecond=999_999)
