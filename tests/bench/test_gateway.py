"""The gateway's benchmark: its loads count what comes back, and what was accepted is held against the tables."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from tests.streams.gateway.conftest import Model, gateway, serving, until
from warehouse import sink

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


def test_the_proxy_hands_on_what_the_model_says(url: str) -> None:
    from gateway_parts import load, proxy

    with serving(proxy.Proxy(url)) as port:
        found = asyncio.run(load.at_rate(f"http://127.0.0.1:{port}/", 50, 0.2))
    assert (set(found.accepted), found.refused) == ({"chatcmpl-0"}, 0)


def test_what_nobody_answers_is_sent_again_until_patience_ends() -> None:
    from gateway_parts.visits import Clients

    clients = Clients("http://127.0.0.1:1", patience=0.7)
    turns = iter([False, True])
    ledger = asyncio.run(clients.visit(10, lambda: next(turns)))
    assert (ledger.tries, ledger.broken, ledger.refused, ledger.given_up) == (3, 3, 0, 1)
    assert not ledger.responses


@pytest.mark.parametrize(
    ("body", "accepted", "refused", "told"),
    [
        (b'data: {"choices":[]}\n\ndata: [DONE]\n\n', True, False, False),
        (b'data: {"choices":[]}\n\n', False, False, False),
        (b'data: {"error":{"code":"not_stored","message":"the broker is away; send again"}}\n\n', False, True, True),
        (b'data: {"error":{"code":"broken","message":"no"}}\n\n', False, True, False),
    ],
)
def test_a_stream_is_accepted_at_its_end_alone(body: bytes, accepted: bool, refused: bool, told: bool) -> None:
    from gateway_parts.visits import stream_outcome

    found = stream_outcome(200, {"X-Loveloop-Response": "r-1"}, body)
    assert (found.accepted == {"id": "r-1"}, found.refused, found.told) == (accepted, refused, told)


def test_each_fault_of_the_tables_is_counted() -> None:
    from gateway_parts.tables import Stored, counted
    from gateway_parts.visits import AcceptedReaction, Ledger

    reactions = [AcceptedReaction("1", "a", "added"), AcceptedReaction("2", "b", "added")]
    ledger = Ledger(responses=["a", "b", "c", "c"], reactions=reactions, states={"a": "added", "b": "added"})
    found = Stored(
        responses=Counter({"a": 1, "b": 2, "unheard": 1}),  # c is lost, and two answers bear its name; b is there twice
        reactions=Counter({"1": 1, "other": 1}),  # the second is lost
        changes=Counter({("a", "added"): 2}),  # one change under two ids
        states={"a": "removed"},
    )
    assert counted(found, ledger) == {
        "accepted": 6, "in_tables": 3, "lost": 3, "twice": 3, "states_wrong": 2, "not_told": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [({}, False), ({"lost": 1}, True), ({"twice": 1}, True), ({"unread": 2}, True), ({"refused_told": 3}, True)],
)
def test_the_benchmark_fails_where_something_is_wrong(changes: dict[str, Any], wrong: bool) -> None:
    import gateway as bench

    figures = {"lost": 0, "twice": 0, "states_wrong": 0, "unread": 0, "refused": 4, "refused_told": 4}
    assert bench.is_wrong(figures | changes) is wrong


@pytest.mark.slow
def test_visits_of_a_real_gateway_are_found_in_the_tables(tansu: str, stream: topics.Topics, tmp_path: Path) -> None:
    from gateway_parts import backend, tables
    from gateway_parts.visits import Clients

    target = str(tmp_path / "warehouse.duckdb")
    (tmp_path / "routes.json").write_text('{"experiments": []}')
    turns = iter([False] * 12 + [True])
    with serving(backend.app) as port, gateway(tmp_path, tansu, stream, Model(), port) as desk:
        until(lambda: desk.ask("/ready").status == 200)
        ledger = asyncio.run(Clients(f"http://127.0.0.1:{desk.port}", patience=20).visit(50, lambda: next(turns)))
    sink.ingest(target, tansu, topics=stream, until_caught_up=True, session_seconds=1.5, progress=False)
    assert tables.unread(target, tansu, stream.events) == 0
    assert (len(ledger.responses), len(ledger.reactions), ledger.refused) == (12, 9, 0)
    found = tables.counted(tables.stored(target), ledger)
    assert found == {"accepted": 21, "in_tables": 21, "lost": 0, "twice": 0, "states_wrong": 0, "not_told": 0}
