import json
import random
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from streams.events import ContractError, ErasureRequested, Event, decode, encode, new_event_id
from streams.live.reading import read

VALUES: list[Any] = [
    None, "", "love", "LOVE", "\u2764", "thumbs up", 0, 1, -1, 2, 3, 1.0, 1.5, True, 2**31, 2**63, 2**70, [], {},
    "2026-03-01T12:00:00Z", "2026-03-01T12:00:00", "2026-03-01T14:00:00+02:00", "1999-01-01T00:00:00Z",
    "2031-01-01T00:00:00Z", [None], "x" * 300,
    "added", "removed", "erasure_requested", "\ud83d", [{"role": "user", "content": "hi", "mood": 1}],
    [{"role": "user", "content": None}],
]  # fmt: skip


def judged(by: Any, line: bytes, received: Any) -> Event | str:
    try:
        event = by(line, received)
    except ContractError as error:
        return error.reason
    assert isinstance(event, Event)
    return msgspec.structs.replace(event, schema_version=1)  # of a line that names none they say different things


@pytest.mark.parametrize("seed", range(3))
def test_every_line_is_read_as_the_contract_reads_it(product: Any, seed: int) -> None:
    draw, received = random.Random(seed), product.noon + timedelta(hours=1)
    events = [
        product.served("r"), product.served("r", arm=None), product.reacted("r", device_id="d", dwell_ms=3),
        ErasureRequested(event_id=new_event_id(product.noon), user_id="u", requested_at=product.noon),
    ]  # fmt: skip
    verdicts: dict[bool, int] = {True: 0, False: 0}
    for _ in range(3_000):
        fields = json.loads(encode(draw.choice(events)))
        for name in draw.sample([*fields, "schema_version", "extra", "experiment"], draw.randrange(3)):
            fields.pop(name, None)
            if draw.random() < 0.8:
                fields[name] = draw.choice(VALUES)
        line = json.dumps(fields).encode()
        line = line[: draw.randrange(len(line))] if draw.random() < 0.02 else line
        expected = judged(lambda text, when: decode(text, received_at=when).event, line, received)
        assert judged(read, line, received) == expected, line
        verdicts[isinstance(expected, str)] += 1
    assert min(verdicts.values()) > 300


def test_a_line_that_is_too_long_is_refused(product: Any) -> None:
    line = encode(product.served("r", response="x" * 2_000_000))
    assert judged(read, line, product.noon) == "line_too_long"
