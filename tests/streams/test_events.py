import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams.events import (
    LONGEST_LINE,
    ContractError,
    ErasureRequested,
    Message,
    ReactionChanged,
    ResponseServed,
    decode,
    encode,
    moment_of,
    new_event_id,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVED = ResponseServed(
    event_id=new_event_id(NOW, randomness=1),
    user_id="u-1",
    served_at=NOW,
    response_id="r-1",
    conversation_id="c-1",
    turn=0,
    session_id="s-1",
    policy="base",
    conversation=[Message("user", "hi \N{SNOWMAN}")],
    response="hello\nthere",
)
REACTED = ReactionChanged(
    event_id=new_event_id(NOW, randomness=2),
    user_id="u-1",
    reacted_at=NOW,
    response_id="r-1",
    reaction="love",
    action="added",
    session_id="s-1",
    dwell_ms=1200,
)
ERASURE = ErasureRequested(event_id=new_event_id(NOW, randomness=3), user_id="u-1", requested_at=NOW)


def line(event: object = SERVED, **changes: Any) -> bytes:
    fields = json.loads(encode(event)) | changes  # type: ignore[arg-type]
    return json.dumps({key: value for key, value in fields.items() if value is not ...}).encode()


def reason_of(bad: bytes) -> str:
    with pytest.raises(ContractError) as caught:
        decode(bad, received_at=NOW)
    assert caught.value.detail, "a dead letter says what was seen and the rule"
    return caught.value.reason


@pytest.mark.parametrize("event", [SERVED, REACTED, ERASURE])
def test_an_event_survives_the_wire(event: ResponseServed | ReactionChanged | ErasureRequested) -> None:
    encoded = encode(event)
    assert b"\n" not in encoded
    assert decode(encoded, received_at=NOW) == (event, {})
    assert moment_of(event) == NOW


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    assert moment_of(decode(line(served_at="2026-03-01T14:00:00+02:00"), received_at=NOW).event) == NOW


def test_unknown_fields_are_kept_beside_the_event() -> None:
    assert decode(line(colour="red", depth={"a": [1]}), received_at=NOW) == (
        SERVED,
        {"colour": "red", "depth": {"a": [1]}},
    )


def test_unknown_fields_of_messages_are_kept_with_all_messages() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b", "name": "ann", "cut": None}]
    event, extra = decode(line(conversation=messages), received_at=NOW)
    assert isinstance(event, ResponseServed)
    assert event.conversation == [Message("user", "a"), Message("user", "b")]
    assert extra == {"conversation": [messages[0], {"role": "user", "content": "b", "name": "ann"}]}


def test_a_field_that_is_null_counts_as_absent() -> None:
    nulls = line(REACTED, device_id=None, dwell_ms=None, colour=None, schema_version=None)
    absent = line(REACTED, dwell_ms=..., schema_version=...)
    event, extra = decode(nulls, received_at=NOW)
    assert (event, extra) == decode(absent, received_at=NOW)
    assert (event.schema_version, extra) == (1, {})
    assert decode(line(experiment=None, arm=None), received_at=NOW) == (SERVED, {})
    assert decode(line(conversation=[{"role": "user", "content": "a", "x": None}]), received_at=NOW).extra == {}


def test_a_newer_version_is_accepted_when_the_known_fields_parse() -> None:
    event, extra = decode(line(schema_version=7, mood="glad"), received_at=NOW)
    assert (event.schema_version, extra) == (7, {"mood": "glad"})


def test_event_ids_are_ordered_by_time() -> None:
    ids = [new_event_id(NOW + timedelta(milliseconds=step)) for step in range(50)]
    assert ids == sorted(ids)


MALFORMED = [
    b"",
    b"\xff\xfe\x00",
    b'{"type":"response_served"',
    b"{" * 100_000,
    b"[" * 100_000,
    b'{"a":"\xc3"}',
    b"NaN",
    b"nul",
]


@pytest.mark.parametrize("bad", MALFORMED)
def test_malformed_bytes_are_not_json(bad: bytes) -> None:
    assert reason_of(bad) == "not_json"


@pytest.mark.parametrize("bad", [b"[]", b"7", b'"text"', b"null", b"true"])
def test_other_json_is_not_an_object(bad: bytes) -> None:
    assert reason_of(bad) == "not_an_object"


@pytest.mark.parametrize("kind", ["response_shown", "", None, 7, ["response_served"], "x" * 10_000])
def test_an_unknown_type_is_named(kind: object) -> None:
    assert reason_of(line(type=kind)) == "unknown_type"


@pytest.mark.parametrize("version", [3, 99])
def test_a_newer_version_that_breaks_a_known_field_is_unknown(version: int) -> None:
    assert reason_of(line(schema_version=version, response=["in", "parts"])) == "unknown_version"


@pytest.mark.parametrize("version", [0, -1, "1", 1.5, True, [], 2**31, 2**70])
def test_a_version_that_is_no_version_is_unknown(version: object) -> None:
    assert reason_of(line(schema_version=version)) == "unknown_version"


WRONG = {
    "user_id": [7, None, "", "x" * 10_240, ["u"], ...],
    "event_id": ["1", "019b76da-a800-7000-8000-000000000001\n", "019b76da-a800-4000-8000-000000000001", 5, None, ...],
    "served_at": ["yesterday", "2026-03-01T12:00:00", True, None, ...],
    "turn": [-1, "0", 1.5, None, ...],
    "conversation": [[], 7, [{"role": "robot", "content": "x"}], [{"role": "user"}], None, ...],
    "response": [7, None, ["x"], ...],
    "policy": ["", None, ...],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in WRONG.items() for value in values])
def test_a_wrong_field_is_invalid(field: str, value: object) -> None:
    assert reason_of(line(**{field: value})) == "invalid_field"


@pytest.mark.parametrize(
    ("field", "value"),
    [("action", "toggled"), ("reaction", ""), ("reaction", "x" * 65), ("dwell_ms", -5), ("device_id", 3)],
)
def test_a_wrong_field_of_a_reaction_is_invalid(field: str, value: object) -> None:
    assert reason_of(line(REACTED, **{field: value})) == "invalid_field"


def test_a_user_id_of_ten_kilobytes_is_refused_with_the_rule() -> None:
    with pytest.raises(ContractError, match=r"user_id == .* has 10,240 characters, must be text of 1 to 256"):
        decode(line(user_id="u" * 10_240), received_at=NOW)


@pytest.mark.parametrize("fields", [{"experiment": "e"}, {"arm": "a"}])
def test_an_experiment_without_an_arm_is_invalid(fields: dict[str, str]) -> None:
    assert reason_of(line(**fields)) == "invalid_field"


@pytest.mark.parametrize(
    "moment", ["3000-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-03-02T12:00:01Z", "9999-12-31T23:59:59Z"]
)
def test_a_moment_out_of_range_is_refused(moment: str) -> None:
    assert reason_of(line(served_at=moment)) == "timestamp_out_of_range"
    assert reason_of(line(ERASURE, requested_at=moment)) == "timestamp_out_of_range"


def test_the_clock_that_counts_is_the_brokers() -> None:
    tomorrow = line(served_at="2026-03-02T13:00:00Z")
    assert reason_of(tomorrow) == "timestamp_out_of_range"
    assert decode(tomorrow, received_at=NOW + timedelta(hours=2))


def test_a_line_over_the_limit_is_too_long() -> None:
    assert reason_of(line(response="x" * LONGEST_LINE)) == "line_too_long"
    assert decode(line(response="x" * (LONGEST_LINE - 1000)), received_at=NOW)


def test_an_error_shows_a_long_value_in_short() -> None:
    with pytest.raises(ContractError) as caught:
        decode(line(type="y" * 10_000), received_at=NOW)
    assert len(str(caught.value)) < 300


def test_the_contract_loads_no_heavy_package() -> None:
    heavy = ("kafka", "faust", "duckdb", "torch", "numpy", "pyarrow", "psutil")
    light = ", ".join(f"streams.{name}" for name in ("events", "wire", "topics", "producer", "brokers", "live_guard"))
    program = f"import sys, {light}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
