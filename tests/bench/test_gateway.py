"""The gateway's benchmark: its loads count what comes back, and what was answered is held against a topic."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams import topics
from streams.producer import EventProducer
from tests.streams.gateway.conftest import serving

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.fixture
def url() -> Iterator[str]:
    from gateway_parts import backend

    with serving(backend.app) as port:
        yield f"http://127.0.0.1:{port}/v1/chat/completions"


def test_a_load_at_a_rate_sends_as_many_as_are_due(url: str) -> None:
    from gateway_parts import load

    found = asyncio.run(load.at_rate(url, 100, 0.5))
    assert (len(found.accepted), found.refused) == (50, 0)
    assert found.seconds > 0.45
    assert 0 < found.p(50) <= found.p(99)


def test_a_closed_load_goes_on_for_its_time(url: str) -> None:
    from gateway_parts import load

    found = asyncio.run(load.at_most(url, 4, 0.3))
    assert len(found.accepted) > 4
    assert 0.3 <= found.seconds < 5


def test_what_is_refused_is_sent_again_until_patience_ends() -> None:
    from gateway_parts import load

    found = asyncio.run(load.insisting("http://127.0.0.1:1/", 10, 0.1, patience=0.7))
    assert (len(found.accepted), found.refused) == (0, 3)
    assert np.isnan(found.p(50))


def test_answers_are_looked_up_in_the_topic(tansu: str, stream: topics.Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    import gateway as bench
    from gateway_parts import load

    topics.create_topics(tansu, topics=stream)
    rows: list[dict[str, Any]] = [
        {"response_id": "a", "event_id": "1"}, {"response_id": "a", "event_id": "1"},
        {"response_id": "b", "event_id": "2"}, {"response_id": "b", "event_id": "3"},
    ]  # fmt: skip
    with EventProducer(tansu, topic=stream.events) as producer:
        for row in rows:
            producer.send_line(json.dumps(row | {"user_id": "u"}).encode())
    monkeypatch.setattr(bench, "EVENTS", stream.events)
    outage = load.Load(np.array([1.0]), ["a", "b", "c"], 7, 1.0)
    found = bench.held_against(outage, tansu)
    assert found == {"accepted": 3, "refused_in_outage": 7, "in_topic": 2, "lost": 1, "twice": 1, "copies": 1}
