"""What the benchmark reads of a warehouse: loves that stand, the truth about them, what the filter makes of them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from streams.events import ReactionChanged, ResponseServed, encode, new_event_id
from warehouse import connection

if TYPE_CHECKING:
    from adversary_parts.loves import Loves

BENCH = Path(__file__).resolve().parents[2] / "bench"
NOON = datetime(2026, 1, 20, 12, tzinfo=UTC)
US = 1_000_000


class Stream:
    """Events of a few people, and the truth about their loves."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.truth: list[tuple[str, str | None, bool]] = []

    def shown(self, response: str, user: str) -> None:
        event = ResponseServed(
            event_id=new_event_id(NOON), user_id=user, served_at=NOON, response_id=response, conversation_id=response,
            turn=0, session_id="s", policy="p", conversation=[{"role": "user", "content": "Hello"}], response="Hi.",
        )  # fmt: skip
        self.lines.append(encode(event))

    def loves(self, response: str, user: str, *, after: int = 60, attack: str | None = None, adds: bool = True) -> str:
        event = self._reacted(response, user, after, "added")
        self.truth.append((event.event_id, attack, adds))
        return event.event_id

    def takes_back(self, response: str, user: str, *, after: int) -> None:
        self._reacted(response, user, after, "removed")

    def read(self, place: Path, *statements: str) -> "Loves":
        """Store everything, let these statements change the tables, and read."""
        from adversary_parts import loves
        from stored import store

        (place / "events.ndjson").write_bytes(b"".join(line + b"\n" for line in self.lines))
        store(place / "events.ndjson", place / "warehouse.duckdb", NOON + timedelta(days=1))
        with connection.open(place / "warehouse.duckdb").transaction() as writer:
            for statement in statements:
                writer.execute(statement)
        names, attacks, adds = zip(*self.truth, strict=True)
        truth = pa.table({"event_id": names, "attack": pa.array(attacks, pa.string()), "adds": adds})
        with connection.open(place / "warehouse.duckdb").read() as reader:
            return loves.read(reader, truth, NOON + timedelta(days=3))

    def _reacted(self, response: str, user: str, after: int, action: Any) -> ReactionChanged:
        at = NOON + timedelta(seconds=after)
        event = ReactionChanged(
            event_id=new_event_id(at), user_id=user, reacted_at=at, response_id=response, reaction="love",
            action=action, session_id="s",
        )  # fmt: skip
        self.lines.append(encode(event))
        return event


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Stream:
    monkeypatch.syspath_prepend(str(BENCH))
    stream = Stream()
    for number in range(1, 7):
        stream.shown(f"r{number}", f"u{number}")
    return stream


def flag(subject: str, name: str, score: float, since: str = "NULL", at: datetime = NOON) -> str:
    key = "user_id" if subject == "user" else "event_id"
    return f"""INSERT INTO flags BY NAME SELECT 'ingest' AS source, 'a_rule' AS rule, 1 AS rule_version,
        '{subject}' AS subject, '{name}' AS {key}, {score} AS score, '{{}}' AS evidence,
        TIMESTAMPTZ '{at.isoformat()}' AS flagged_at, {since} AS since"""


@pytest.mark.slow
def test_a_love_that_was_taken_back_is_none(stream: Stream, tmp_path: Path) -> None:
    stream.loves("r1", "u1")
    stream.loves("r2", "u2")
    stream.takes_back("r2", "u2", after=90)
    found = stream.read(tmp_path)
    assert [key for key, honest in zip(found.keys, found.honest, strict=True) if honest] == [("r1", "u1")]
    assert len(found.keys) == 1


@pytest.mark.slow
def test_a_love_of_a_flagged_user_is_left_out_from_the_flags_moment_on(stream: Stream, tmp_path: Path) -> None:
    stream.shown("r7", "u1")
    stream.loves("r1", "u1", after=60, attack="slow_drip")
    stream.loves("r7", "u1", after=600, attack="slow_drip")
    since = f"TIMESTAMPTZ '{(NOON + timedelta(seconds=300)).isoformat()}'"
    found = stream.read(tmp_path, flag("user", "u1", 2.5, since))
    assert found.left_out.tolist() == [0, 1]
    assert found.score.tolist() == [0, 2.5]
    assert found.rules == [[], ["a_rule"]]
    assert found.online_at.tolist()[1] == NOON.timestamp() * US


@pytest.mark.slow
def test_a_flag_below_the_line_leaves_nothing_out_but_is_a_suspicion(stream: Stream, tmp_path: Path) -> None:
    event = stream.loves("r1", "u1")
    found = stream.read(tmp_path, flag("reaction", event, 0.4))
    assert found.left_out.tolist() == [0]
    assert found.suspicion.tolist() == [0.4]
    assert found.rules == [[]]


@pytest.mark.slow
def test_what_trust_takes_from_a_love_is_left_out_in_part(stream: Stream, tmp_path: Path) -> None:
    stream.loves("r1", "u1", attack="slow_drip")
    trust = "INSERT INTO user_trust BY NAME SELECT 'u1' AS user_id, 0.25 AS trust, DATE '2026-01-21' AS day"
    found = stream.read(tmp_path, trust)
    assert found.left_out.tolist() == pytest.approx([0.75])
    assert found.suspicion.tolist() == pytest.approx([0.75])


@pytest.mark.slow
def test_a_replayed_love_is_the_owners_as_long_as_the_owners_own_stands(stream: Stream, tmp_path: Path) -> None:
    stream.loves("r1", "u1", after=60)
    stream.loves("r1", "u1", after=600, attack="replay_flood", adds=False)
    stream.loves("r2", "u2", after=60)
    stream.takes_back("r2", "u2", after=90)
    stream.loves("r2", "u2", after=600, attack="replay_flood", adds=True)
    found = stream.read(tmp_path)
    assert dict(zip(found.keys, found.attack.tolist(), strict=True)) == {
        ("r1", "u1"): "",
        ("r2", "u2"): "replay_flood",
    }


@pytest.mark.slow
def test_a_love_for_what_its_user_was_never_shown_counts_for_nothing(stream: Stream, tmp_path: Path) -> None:
    stream.loves("r1", "u6", attack="replay_flood")
    found = stream.read(tmp_path)
    assert (found.shown.tolist(), found.left_out.tolist()) == ([False], [1])
    assert not found.honest.any()
