"""Reading whole messages set-wise says what the judge (`streams.events.decode`) says of each line."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.events import ContractError, decode
from streams.topics import TOPICS
from warehouse.ingest.decoding import decode_batch
from warehouse.ingest.records import Record
from warehouse.ingest.setwise import extra_text

RECEIVED = datetime(2026, 3, 10, tzinfo=UTC)
SERVED: dict[str, Any] = {
    "type": "response_served", "event_id": "019ca8f0-5c00-7000-8000-000000000001", "user_id": "ann",
    "served_at": "2026-03-01T12:00:00Z", "response_id": "r", "conversation_id": "c", "turn": 0, "session_id": "s",
    "policy": "p", "conversation": [{"role": "user", "content": "hi"}], "response": "hello",
}  # fmt: skip
REACTED: dict[str, Any] = {
    "type": "reaction_changed", "event_id": "019ca8f0-5c00-7000-8000-000000000002", "user_id": "ann",
    "reacted_at": "2026-03-01T12:00:09Z", "response_id": "r", "reaction": "love", "action": "added", "session_id": "s",
}  # fmt: skip
ERASURE: dict[str, Any] = {
    "type": "erasure_requested", "event_id": "019ca8f0-5c00-7000-8000-000000000003", "user_id": "ann",
    "requested_at": "2026-03-02T00:00:00Z",
}  # fmt: skip

MOMENTS = [
    "2026-03-01T12:00:00.123456Z", "2026-03-01T12:00:00.1234567Z", "2026-03-01T12:00:00+02:00", "2026-03-01 12:00:00Z",
    "2026-03-01T12:00:00", "2026-03-01", "2026-03-01T12:00Z", "2026-03-01T12:00:00+02", "2026-03-01T12:00:00+0200",
    "1970-01-01T00:00:00Z", "2026-03-11T00:00:00Z", "2026-03-11T00:00:01Z", "9999-12-31T23:59:59Z", 1772366400,
]  # fmt: skip
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([2**31, 2**63 - 1, 2**63, 1.0, 1.5]),
    st.sampled_from([math.nan, -math.inf, "\ud83d", "a\ude00b", [{"role": "user", "content": "cut \ud83d"}]]),
    st.sampled_from(["", "x", "x" * 256, "x" * 257, "é" * 200, "é" * 257, "a\u0000b", "ZZ"]),
    st.sampled_from(MOMENTS), st.sampled_from(["love", "Love", "heart", "like", "wow", "made me laugh", "❤️", "added"]),
    st.sampled_from([[], [{}], [None], [{"role": "user", "content": None}], [{"role": "robot", "content": "x"}],
                     [{"role": "user", "content": "x", "tone": "warm"}], {"role": "user"}, [["x"]],
                     [{"role": "user", "content": "x", "tone": None}]]),
)  # fmt: skip
NAMES = st.sampled_from(
    sorted({*SERVED, *REACTED, *ERASURE, "experiment", "arm", "dwell_ms", "device_id"})
) | st.sampled_from(["schema_version", "mood", "network_id"])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    fields = dict(draw(st.sampled_from([SERVED, REACTED, ERASURE])))
    fields |= draw(st.dictionaries(NAMES, ODD, max_size=3))
    for name in draw(st.lists(NAMES, max_size=1)):
        fields.pop(name, None)
    line = json.dumps(
        fields, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    )
    spoiled = draw(st.sampled_from([*["%s"] * 12, "%s%s", " %s", "%s,", "[%s]", "%s}", "{%s", '{"a":%s', "\ufeff%s"]))
    return spoiled.replace("%s", line).encode(errors="surrogatepass")


def judged(line: bytes) -> Any:
    try:
        event, extra = decode(line, received_at=RECEIVED)
    except ContractError as error:
        return error.reason, error.detail
    fields = msgspec.structs.asdict(event)
    if "conversation" in fields:
        fields["conversation"] = [{"role": each.role, "content": each.content} for each in fields["conversation"]]
    return fields | {"extra": extra_text(extra)}


def read_together(messages: list[list[bytes]]) -> dict[tuple[int, int], Any]:
    stamp = int(RECEIVED.timestamp() * 1000)
    batch = decode_batch([Record(TOPICS.events, 0, n, stamp, b"\n".join(each)) for n, each in enumerate(messages)])
    found: dict[tuple[int, int], Any] = {
        letter.coordinates[2:]: (letter.reason, letter.detail) for letter in batch.dead
    }
    for table in batch.tables.values():
        for row in table.to_pylist():
            place = row["kafka_offset"], row["kafka_line"]
            assert row.pop("received_at") == RECEIVED
            found[place] = {name: value for name, value in row.items() if not name.startswith("kafka_")}
    return found


def agrees(messages: list[list[bytes]]) -> None:
    expected = {
        (n, number): judged(line.strip()) for n, each in enumerate(messages) for number, line in enumerate(each)
    }
    assert read_together(messages) == expected


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(lines(), min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_lines_are_read_as_the_judge_reads_them(messages: list[list[bytes]]) -> None:
    agrees(messages)


@pytest.mark.slow
@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(lines(), min_size=1, max_size=4), min_size=1, max_size=3))
def test_very_many_lines_are_read_as_the_judge_reads_them(messages: list[list[bytes]]) -> None:
    agrees(messages)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"response_served"', b"\xff", b'{"user_id":"\xff"}', b'{"user_id":"\xed\xa0\x80"}', b"{}", b"{}{}",
        b'{"type":"erasure_requested","type":"erasure_requested"}', b"[" * 3_000,
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"\xef\xbb\xbf{}", b'{"user_id":"\\ud800"}', b"{'a':1}",
        b'{"turn":NaN}', json.dumps(SERVED | {"score": math.nan, "response": "cut \ud83d"}).encode(),
    ],
)  # fmt: skip
def test_a_broken_line_among_sound_ones_spoils_itself_alone(line: bytes) -> None:
    sound = [json.dumps(each).encode() for each in (SERVED, REACTED, ERASURE)]
    agrees([[sound[0], line, sound[1]], [line], [sound[2], line]])


def test_a_product_with_fields_of_its_own_keeps_them() -> None:
    own = [json.dumps(each | {"app": {"build": 7}, "lang": "de"}).encode() for each in (SERVED, REACTED)]
    agrees([own, [json.dumps(ERASURE).encode(), *own]])


def test_one_object_over_two_lines_and_two_on_one_are_not_taken_for_two_lines() -> None:
    split = json.dumps(SERVED).encode()
    middle = split.index(b"hello")
    agrees([[split[: middle - 1] + b"}", b"{" + split[middle:], split + json.dumps(REACTED).encode()]])
