import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from streams.events import ContractError, Event, ReactionChanged, ResponseServed, decode, moment_of
from streams.fixtures import SimulatedWorld, Worlds
from streams.synthetic import Amounts, WorldConfig, simulate
from streams.synthetic.people.life import DAY, Life
from streams.synthetic.people.population import NOTHING, draw_people
from streams.synthetic.truth import formulas
from streams.synthetic.wire.faults import FAULTS
from streams.synthetic.wire.lines import LineQueue
from streams.synthetic.wire.network import Network

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Stream(NamedTuple):
    config: WorldConfig
    out: Path
    amounts: Amounts
    lines: list[bytes]
    events: list[Event]
    reasons: Counter[str]


def reread(world: SimulatedWorld) -> Stream:
    lines = world.lines()
    events: list[Event] = []
    reasons: Counter[str] = Counter()
    for line in lines:
        try:
            events.append(decode(line, received_at=NOW).event)
        except ContractError as error:
            reasons[error.reason] += 1
    return Stream(world.config, world.out, world.amounts, lines, events, reasons)


@pytest.fixture(scope="module")
def stream(loveloop_world: Worlds) -> Stream:
    return reread(loveloop_world())


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(stream: Stream, tmp_path: Path) -> None:
    simulate(stream.config, tmp_path / "again")
    truths = (f"truth/{name}" for name in ("users.parquet", "responses.parquet", "loves.parquet", "attacks.json"))
    for name in ("events.ndjson", "amounts.json", *truths):
        assert (tmp_path / "again" / name).read_bytes() == (stream.out / name).read_bytes()
    simulate(stream.config.model_copy(update={"seed": 2}), tmp_path / "other")
    assert (tmp_path / "other" / "events.ndjson").read_bytes() != (stream.out / "events.ndjson").read_bytes()


def test_the_amounts_are_what_a_recount_of_the_file_finds(stream: Stream) -> None:
    amounts = stream.amounts
    unique = {event.event_id: event for event in stream.events}
    shown = {e.response_id: e for e in unique.values() if isinstance(e, ResponseServed)}
    reactions = [e for e in unique.values() if isinstance(e, ReactionChanged)]
    joined = [e for e in reactions if e.response_id in shown]
    added = Counter(e.reaction for e in joined if e.action == "added")
    recount = Amounts(
        events=len(stream.lines),
        responses=len(shown),
        reactions=len(reactions),
        honest_loves=added["love"],
        likes=added["like"],
        dislikes=added["dislike"],
        retractions=sum(e.action == "removed" for e in joined),
        orphans=len(reactions) - len(joined),
        late_reactions=sum(
            e.reacted_at - shown[e.response_id].served_at >= timedelta(hours=1) for e in joined if e.action == "added"
        ),
        early_reactions=_early(stream.events),
        duplicates=len(stream.events) - len(unique),
        dead_letters=sum(stream.reasons.values()),
        malformed=dict(stream.reasons),
        users=len({e.user_id for e in shown.values()}),
        love_rate=added["love"] / len(shown),
    )
    assert recount == amounts
    assert json.loads((stream.out / "amounts.json").read_text())["events"] == amounts.events


def _early(events: list[Event]) -> int:
    """Reaction events that come in the file before their response does."""
    place: dict[str, int] = {}
    shown: dict[str, int] = {}
    for number, event in enumerate(events):
        place.setdefault(event.event_id, number)
        if isinstance(event, ResponseServed):
            shown.setdefault(event.response_id, number)
    unique = {event.event_id: event for event in events}.values()
    reactions = (e for e in unique if isinstance(e, ReactionChanged) and e.response_id in shown)
    return sum(place[e.event_id] < shown[e.response_id] for e in reactions)


def test_every_fault_occurs(stream: Stream) -> None:
    amounts = stream.amounts
    assert amounts.responses == 2_000
    assert (
        min(amounts.late_reactions, amounts.early_reactions, amounts.retractions, amounts.orphans, amounts.duplicates)
        > 0
    )
    assert stream.reasons.keys() == {reason for reason, _ in FAULTS}


def test_copies_are_exact(stream: Stream) -> None:
    valid = [line for line in stream.lines if line.startswith(b'{"type":"re') and line.endswith(b"}")]
    twice = [line for line, count in Counter(valid).items() if count == 2]
    assert len(twice) == stream.amounts.duplicates


def test_nothing_happens_after_the_end_or_before_the_beginning(stream: Stream) -> None:
    moments = [moment_of(event) for event in stream.events]
    assert max(moments) <= stream.config.ends_at
    assert min(moments) >= stream.config.ends_at - timedelta(days=stream.config.days)


def test_lines_come_nearly_in_the_order_of_events(stream: Stream) -> None:
    shown = [e.served_at for e in stream.events if isinstance(e, ResponseServed)]
    late = [second < first - timedelta(hours=1) for first, second in pairwise(shown)]
    assert sum(late) < 0.01 * len(shown)


def test_a_conversation_grows_by_one_answer_a_turn(stream: Stream) -> None:
    turns = {(e.conversation_id, e.turn): e for e in stream.events if isinstance(e, ResponseServed)}
    for (name, turn), event in turns.items():
        assert len(event.conversation) == 2 * turn + 1
        if turn:
            before = turns[name, turn - 1]
            assert event.conversation[-2].content == before.response
            assert event.served_at > before.served_at
            assert event.user_id == before.user_id


def test_the_truth_names_every_response_once(stream: Stream) -> None:
    table = pq.read_table(stream.out / "truth" / "responses.parquet").to_pylist()
    names = [row["response_id"] for row in table]
    assert sorted(names) == sorted({e.response_id for e in stream.events if isinstance(e, ResponseServed)})
    expected = sum(row["p_love"] for row in table)
    assert abs(expected - stream.amounts.honest_loves) < 4 * expected**0.5 + 3
    assert 0.3 < sum(row["helpful"] for row in table) / len(table) < 0.8


@pytest.mark.parametrize("responses", [1, 7, 500])
def test_a_tiny_world_has_exactly_its_responses(responses: int, tmp_path: Path) -> None:
    amounts = simulate(WorldConfig(responses=responses, users=3), tmp_path)
    assert amounts.responses == responses
    assert len((tmp_path / "events.ndjson").read_bytes().splitlines()) == amounts.events


def test_pleased_users_come_back_more_often() -> None:
    life = Life(WorldConfig(responses=12_000, users=4_000, days=2), np.random.default_rng(1))
    (first,), (second,) = life.live(0), life.live(1)
    last = dict(
        zip(first.user.tolist(), formulas.return_chance(first.readings, first.talk.happy).tolist(), strict=True)
    )
    came_back = set(second.user.tolist())
    good = [user in came_back for user, chance in last.items() if chance > 0.6]
    bad = [user in came_back for user, chance in last.items() if chance < 0.5]
    assert sum(good) / len(good) > sum(bad) / len(bad) + 0.03


@pytest.mark.slow
def test_two_hundred_thousand_responses_have_the_published_shape(loveloop_world: Worlds) -> None:
    stream = reread(loveloop_world(WorldConfig()))
    amounts = stream.amounts
    assert amounts.responses == 200_000
    assert amounts.love_rate == pytest.approx(0.005, rel=0.1)
    assert amounts.likes / amounts.responses == pytest.approx(0.07, abs=0.01)
    assert amounts.dislikes / amounts.responses == pytest.approx(0.01, abs=0.005)
    assert amounts.duplicates / amounts.events == pytest.approx(0.02, abs=0.003)
    assert amounts.retractions / amounts.honest_loves == pytest.approx(0.03, abs=0.015)
    assert dict(stream.reasons) == amounts.malformed


def test_what_was_loved_is_known_by_the_name_of_its_event(stream: Stream) -> None:
    told = {row["event_id"]: row for row in pq.read_table(stream.out / "truth" / "loves.parquet").to_pylist()}
    shown = {e.response_id for e in stream.events if isinstance(e, ResponseServed)}
    loves = {
        e.event_id: e
        for e in stream.events
        if isinstance(e, ReactionChanged) and (e.reaction, e.action) == ("love", "added") and e.response_id in shown
    }
    assert told.keys() == loves.keys()
    for name, event in loves.items():
        row = told[name]
        assert (row["response_id"], row["user_id"], row["attack"]) == (event.response_id, event.user_id, None)
        assert abs(row["reacted_at"] - event.reacted_at) < timedelta(milliseconds=1)


def test_a_large_day_is_lived_in_stretches_that_fit_together() -> None:
    config = WorldConfig(responses=20_000, users=1_000, days=1)
    stretches = list(Life(config, np.random.default_rng(1)).live(0))
    assert [len(stretch.user) for stretch in stretches] == pytest.approx([10_000, 10_000], abs=6)
    assert sum(len(stretch.user) for stretch in stretches) == 20_000
    assert stretches[0].ends == stretches[1].begins
    assert stretches[1].ends - stretches[0].begins == DAY
    for stretch in stretches:
        opens = stretch.at[stretch.talk.turn == 0]
        assert stretch.begins <= opens.min() <= opens.max() <= stretch.ends


@pytest.mark.slow
def test_lines_leave_as_the_world_goes_on() -> None:
    config = WorldConfig(responses=40_000, users=500, days=1, late=0.2)
    life, outbox = Life(config, np.random.default_rng(1)), LineQueue()
    network = Network(config, np.random.default_rng(2), life.people)
    waiting, gone = [], 0
    for stretch in life.live(0):
        network.post(stretch, outbox)
        gone += len(outbox.take(stretch.ends))
        waiting.append(network.tally.amounts.responses + network.tally.amounts.reactions)
        waiting[-1] += network.tally.amounts.duplicates - gone
    assert len(waiting) == 5
    assert max(waiting) < 4_000  # conversations that go on, late reactions and copies


def test_households_share_a_network_and_hundreds_share_another() -> None:
    people = draw_people(np.random.default_rng(1), 3_000, days=10)
    home, away = (Counter(column.tolist()) for column in people.networks.T)
    assert set(home.values()) == {1, 2, 3, 4}
    assert max(away.values()) > 100
    assert not home.keys() & away.keys()
    held = people.devices[people.devices != NOTHING]
    assert len(set(held.tolist())) == len(held)
    assert 1.3 < len(held) / 3_000 < 1.6
    assert 0.2 < np.mean(people.tenure_days < 0) < 0.4
