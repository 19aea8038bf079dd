"""Warehouses with experiments in them, and the words by which tests plan, serve and read."""

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from assets.experiment import control, ramping
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id
from warehouse import connection, experiment_registry
from warehouse.candidates import StagedCandidate, stage_candidate
from warehouse.experiment_registry import ExperimentChangedError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When experiments are planned and started."""
FIRST_DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""When the experiment of a filled warehouse begins."""
CANDIDATE = STAGED = "love-0.3-aa"
CONTROL_RATE, TREATMENT_RATE = 0.05, 0.1


class Clock(datetime):
    """The moment that changes are noted at; a test sets it."""

    moment = NOON

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # noqa: ARG003  (datetime's signature)
        return cls.moment


def said(done: Result) -> str:
    """What a command printed; a failure fails the test."""
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    return done.output


def refused(done: Result) -> str:
    """The sentence that a command was refused with."""
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, ValueError | ExperimentChangedError), repr(done.exception)
    return str(done.exception)


def loveloop(*words: object, warehouse: Path) -> Result:
    return CliRunner().invoke(group, [*map(str, words), "--warehouse", str(warehouse)])


def events(
    place: Callable[[int], str | None],
    users: Iterable[int],
    *,
    name: str = "warmer",
    loved: Mapping[str, float] | None = None,
    closing: Mapping[str, float] | None = None,
    visits: int = 2,
    begin: datetime = NOON + timedelta(hours=1),
) -> list[bytes]:
    """What a product logs of users whom `place` puts into an arm, or into none; chance is seeded."""
    drawn = random.Random(f"{name} {begin}")
    lines = []
    for user in users:
        arm = place(user)
        for visit in range(visits):
            at = begin + timedelta(minutes=drawn.randrange(1_200))
            closes = drawn.random() < (closing or {}).get(arm or "", 0.0)
            response = f"{name}-{begin:%d%H}-{user}-{visit}"
            lines.append(encode(ResponseServed(
                event_id=new_event_id(at, drawn.getrandbits(74)), user_id=f"u{user}", served_at=at,
                response_id=response, conversation_id=f"c{response}", turn=0, session_id="s",
                policy=CANDIDATE if arm == "treatment" else "incumbent",
                conversation=[Message("user", "How do I grow roses?")],
                response=f"Bye for now, {response}!" if closes else f"With water, {response}.",
                **({"experiment": name, "arm": arm} if arm else {}),
            )))  # fmt: skip
            if drawn.random() < (loved or {}).get(arm or "", 0.1):
                later = at + timedelta(seconds=20)
                lines.append(encode(ReactionChanged(
                    event_id=new_event_id(later, drawn.getrandbits(74)), user_id=f"u{user}", reacted_at=later,
                    response_id=response, reaction="love", action="added", session_id="s", dwell_ms=20_000,
                )))  # fmt: skip
    return lines


def store(target: Path, lines: list[bytes]) -> None:
    """Import them as a file of their own."""
    file = target.with_name(f"{len(list(target.parent.iterdir()))}.ndjson")
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    assert "0 dead letters" in said(loveloop("import", file, warehouse=target))


def in_turn(user: int) -> str:
    return "treatment" if user % 2 else "control"


def begun(target: Path, treatment: object = CANDIDATE, *plan: object, name: str = "warmer") -> None:
    """Plan an experiment and start it, at the first stage of its ramp."""
    said(loveloop("experiment", "plan", name, *plan, warehouse=target))
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={treatment}")
    said(loveloop("experiment", "start", name, *served, "--by", "ada", warehouse=target))


def state(target: Path, name: str = "warmer") -> dict[str, Any]:
    """What `status --json` says of one experiment."""
    (found,) = json.loads(said(loveloop("experiment", "status", name, "--json", warehouse=target)))["experiments"]
    return dict(found)


def of_tomorrow(target: Path, name: str = "warmer") -> None:
    """A change by a later version, whose definition has a field that this one does not know."""
    (last,) = experiment_registry.changes(target, name)[-1:]
    later = replace(last, action="ramped", changed_by="tomorrow", definition={**last.definition, "orbit": 3})
    experiment_registry.append(target, later, expected=None)


class Product:
    """Writes the events of an experiment; chance is seeded."""

    def __init__(self, seed: int = 1, name: str = "tone", policy: str = STAGED) -> None:
        self._random = random.Random(seed)
        self.name, self.policy, self.number = name, policy, 0

    def served(
        self, user: str, arm: str, at: datetime = FIRST_DAY, *, loved: bool = False, **changes: Any
    ) -> list[bytes]:
        self.number += 1
        fields: dict[str, Any] = {
            "event_id": self._id(at), "user_id": user, "served_at": at, "response_id": f"{self.name}-{self.number}",
            "conversation_id": f"c{self.number}", "turn": 0, "session_id": "s", "experiment": self.name, "arm": arm,
            "policy": "incumbent" if arm == "control" else self.policy,
            "conversation": [Message("user", "How do I grow roses?")], "response": f"With water, {self.number} times.",
        } | changes  # fmt: skip
        lines, later = [encode(ResponseServed(**fields))], at + timedelta(seconds=20)
        if loved:
            lines.append(encode(ReactionChanged(
                event_id=self._id(later), user_id=user, reacted_at=later, response_id=fields["response_id"],
                reaction="love", action="added", session_id="s", dwell_ms=20_000,
            )))  # fmt: skip
        return lines

    def days(self, users: int = 1_000, visits: int = 4, begin: datetime = FIRST_DAY) -> Iterator[bytes]:
        """Users of both arms in turn; the treatment is loved twice as much, and closes a fifth as often."""
        for user in range(users):
            arm, rate = ("treatment", TREATMENT_RATE) if user % 2 else ("control", CONTROL_RATE)
            closes = user % 50 == 1 or user % 10 == 0
            for visit in range(visits):
                at = begin + timedelta(minutes=self._random.randrange(5_000))
                said = {"response": f"Bye for now, {self.number}!"} if closes and not visit else {}
                yield from self.served(f"u{user}", arm, at, loved=self._random.random() < rate, **said)

    def _id(self, at: datetime) -> str:
        return new_event_id(at, self._random.getrandbits(74))


def command(*words: object) -> Result:
    return CliRunner().invoke(group, [str(word) for word in words])


def stored(target: Path, *lines: bytes) -> None:
    """Import them as a file of their own."""
    file = target.with_name(f"{len(list(target.parent.iterdir()))}.ndjson")
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    done = command("import", file, "--warehouse", target)
    assert "0 dead letters" in done.output, done.output


def stage(target: Path, name: str = STAGED) -> None:
    stage_candidate(target, StagedCandidate(name, "weights", 0.8, 0.5, 1.2, "5e7", "product", 1, FIRST_DAY, {}))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    """Noon of the second of March, for changes and for the ramp's hours; readings look back from today."""
    set_clock(monkeypatch)
    return Clock


def set_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Clock, "moment", NOON)
    for module in (control, ramping):
        patch.setattr(module, "datetime", Clock)


@pytest.fixture(scope="package")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("migrated") / "w.duckdb"
    said(loveloop("warehouse", "migrate", warehouse=made))
    connection.open(made).checkpoint()  # into the file that is copied
    return made


@pytest.fixture(scope="package")
def begun_once(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that was planned and started at noon of the second of March, without an exposure yet."""
    made = Path(shutil.copy(migrated, tmp_path_factory.mktemp("begun") / "w.duckdb"))
    with pytest.MonkeyPatch.context() as patch:
        set_clock(patch)
        begun(made)
    connection.open(made).checkpoint()
    return made


@pytest.fixture(scope="package")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with a whole experiment, and its treatment staged."""
    target = tmp_path_factory.mktemp("filled") / "w.duckdb"
    stored(target, *Product().days())
    stage(target)
    connection.open(target).checkpoint()
    return target


@pytest.fixture
def empty(migrated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "w.duckdb"))


@pytest.fixture
def started(begun_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(begun_once, tmp_path / "w.duckdb"))


@pytest.fixture
def target(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled, tmp_path / "w.duckdb"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A candidate as a run stages it, as far as a digest knows."""
    made = tmp_path / "candidates" / CANDIDATE
    made.mkdir(parents=True)
    (made / "weights.bin").write_bytes(bytes(range(256)))
    (made / "card.json").write_text("{}")
    return made
