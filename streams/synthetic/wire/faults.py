"""Lines that break the contract, one kind for each way in which producers get it wrong; the reason of each is known."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from streams.events import Reason

Fields = dict[str, Any]


def _with(**changes: object) -> Callable[[bytes], bytes]:
    def spoil(line: bytes) -> bytes:
        fields: Fields = msgspec.json.decode(line)
        return msgspec.json.encode(fields | changes)

    return spoil


def _without(name: str, **changes: object) -> Callable[[bytes], bytes]:
    def spoil(line: bytes) -> bytes:
        fields: Fields = msgspec.json.decode(line)
        return msgspec.json.encode({key: value for key, value in fields.items() if key != name} | changes)

    return spoil


FAULTS: Final[tuple[tuple[Reason, Callable[[bytes], bytes]], ...]] = (
    ("not_json", lambda line: b'{"type":"\xff\xfe' + line[20:60]),
    ("not_json", lambda line: line[: len(line) // 2]),
    ("not_an_object", lambda line: b"[" + line + b"]"),
    ("unknown_type", _with(type="response_viewed")),
    ("invalid_field", _with(user_id=17)),
    ("invalid_field", _with(user_id="u" * 10_240)),
    ("invalid_field", _with(served_at="2026-01-20T12:00:00")),
    ("timestamp_out_of_range", _with(served_at="3000-01-01T00:00:00Z")),
    ("unknown_version", _without("conversation", schema_version=9)),
)
"""The reason of the dead letter, and how the line of a served response is spoilt.

Broken UTF-8, cut in half, wrapped in an array, of an unknown type, a number for a name, a name of 10 kB, a moment
without zone, the year 3000, a version from the future.
"""


def spoil(line: bytes, number: int) -> tuple[Reason, bytes]:
    """Spoil the line of a served response in the way of that number (any whole number: the ways come in turn).

    Returns:
        The reason that its dead letter must have, and the line.
    """
    reason, way = FAULTS[number % len(FAULTS)]
    return reason, way(line)
