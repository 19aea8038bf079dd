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
from streams.synthetic import Amounts, WorldConfig, simulate, truth
from streams.synthetic.faults import FAULTS
from streams.synthetic.life import Life

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Stream(NamedTuple):
    config: WorldConfig
    out: Path
    amounts: Amounts
    lines: list[bytes]
    events: list[Event]
    reasons: Counter[str]


def reread(config: WorldConfig, out: Path) -> Stream:
    amounts = simulate(config, out)
    lines = (out / "events.ndjson").read_bytes().split(b"\n")[:-1]
    events: list[Event] = []
    reasons: Counter[str] = Counter()
    for line in lines:
        try:
            events.append(decode(line, received_at=NOW).event)
        except ContractError as error:
            reasons[error.reason] += 1
    return Stream(config, out, amounts, lines, events, reasons)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return reread(WorldConfig.small(), tmp_path_factory.mktemp("world"))


def test_the_same_seed_writes_the_same_bytes_and_another_does_not(stream: Stream, tmp_path: Path) -> None:
    simulate(stream.config, tmp_path / "again")
    names = ["events.ndjson", "amounts.json", "truth/users.parquet", "truth/responses.parquet"]
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (stream.out / name).read_bytes()
    simulate(stream.config.model_copy(update={"seed": 2}), tmp_path / "other")
    assert (tmp_path / "other" / "events.ndjson").read_bytes() != (stream.out / "events.ndjson").read_bytes()


def test_the_amounts_are_what_a_recount_of_the_file_finds(stream: Stream) -> None:
    amounts = stream.amounts
    unique = {event.event_id: event for event in stream.events}
    shown = {e.response_id: e for e in unique.values() if isinstance(e, ResponseServed)}
    reactions = [e for e in unique.values() if isinstance(e, ReactionChanged)]
    users = {row["user_id"]: row["is_bot"] for row in pq.read_table(stream.out / "truth" / "users.parquet").to_pylist()}
    joined = [e for e in reactions if e.response_id in shown]
    added = Counter((users[e.user_id], e.reaction) for e in joined if e.action == "added")
    recount = Amounts(
        events=len(stream.lines),
        responses=len(shown),
        bot_responses=sum(users[e.user_id] for e in shown.values()),
        reactions=len(reactions),
        honest_loves=added[False, "love"],
        bot_loves=added[True, "love"],
        likes=added[False, "like"],
        dislikes=added[False, "dislike"],
        retractions=sum(e.action == "removed" for e in joined),
        orphans=len(reactions) - len(joined),
        late_reactions=sum(
            e.reacted_at - shown[e.response_id].served_at >= timedelta(hours=1) for e in joined if e.action == "added"
        ),
        early_reactions=_early(stream.events),
        duplicates=len(stream.events) - len(unique),
        dead_letters=sum(stream.reasons.values()),
        malformed=dict(stream.reasons),
        users=len({e.user_id for e in shown.values() if not users[e.user_id]}),
        bot_users=len({e.user_id for e in shown.values() if users[e.user_id]}),
        love_rate=added[False, "love"] / sum(not users[e.user_id] for e in shown.values()),
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
    assert amounts.bot_users == 2
    assert amounts.bot_loves == amounts.bot_responses == 80


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


def test_bots_burst_and_love_before_they_could_read(stream: Stream) -> None:
    users = pq.read_table(stream.out / "truth" / "users.parquet").to_pylist()
    for bot in (row["user_id"] for row in users if row["is_bot"]):
        loves = {e.event_id: e for e in stream.events if isinstance(e, ReactionChanged) and e.user_id == bot}.values()
        moments = sorted(e.reacted_at for e in loves)
        assert moments[-1] - moments[0] < timedelta(minutes=3)
        assert max(e.dwell_ms or 0 for e in loves) < 1_000


def test_the_truth_names_every_response_once(stream: Stream) -> None:
    table = pq.read_table(stream.out / "truth" / "responses.parquet").to_pylist()
    names = [row["response_id"] for row in table]
    assert sorted(names) == sorted({e.response_id for e in stream.events if isinstance(e, ResponseServed)})
    honest = [row for row in table if not row["is_bot"]]
    expected = sum(row["p_love"] for row in honest)
    assert abs(expected - stream.amounts.honest_loves) < 4 * expected**0.5 + 3
    assert 0.3 < sum(row["helpful"] for row in honest) / len(honest) < 0.8


@pytest.mark.parametrize("responses", [1, 7, 500])
def test_a_tiny_world_has_exactly_its_responses(responses: int, tmp_path: Path) -> None:
    amounts = simulate(WorldConfig(responses=responses, users=3), tmp_path)
    assert amounts.responses == responses
    assert len((tmp_path / "events.ndjson").read_bytes().splitlines()) == amounts.events


def test_pleased_users_come_back_more_often() -> None:
    life = Life(WorldConfig(responses=12_000, users=4_000, days=2), np.random.default_rng(1))
    first, second = life.live(0), life.live(1)
    last = dict(zip(first.user.tolist(), truth.return_chance(first.readings, first.talk.happy).tolist(), strict=True))
    came_back = set(second.user.tolist())
    good = [user in came_back for user, chance in last.items() if chance > 0.6]
    bad = [user in came_back for user, chance in last.items() if chance < 0.5]
    assert sum(good) / len(good) > sum(bad) / len(bad) + 0.03


@pytest.mark.slow
def test_two_hundred_thousand_responses_have_the_published_shape(tmp_path: Path) -> None:
    stream = reread(WorldConfig(), tmp_path)
    amounts = stream.amounts
    assert amounts.responses == 200_000
    assert amounts.love_rate == pytest.approx(0.009, rel=0.1)
    assert amounts.likes / amounts.responses == pytest.approx(0.03, abs=0.01)
    assert amounts.dislikes / amounts.responses == pytest.approx(0.01, abs=0.005)
    assert amounts.duplicates / amounts.events == pytest.approx(0.02, abs=0.003)
    assert amounts.retractions / amounts.honest_loves == pytest.approx(0.03, abs=0.015)
    assert dict(stream.reasons) == amounts.malformed
