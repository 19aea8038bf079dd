"""Checks beside the test that decides, from a warehouse: A/A tests on one's own users, carry-over, the pace."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from assets.cli import group
from assets.experiment import placebos, reading
from streams.events import new_event_id

pytestmark = pytest.mark.slow
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)


def served(name: str | None, arm: str, user: str, at: datetime, number: int, *, loved: bool) -> Iterator[str]:
    """A response, and its love."""
    response = f"{name}-{user}-{number}"
    moment = at.isoformat().replace("+00:00", "Z")
    place: dict[str, Any] = {} if name is None else {"experiment": name, "arm": arm}
    yield json.dumps({
        "type": "response_served", "schema_version": 2, "event_id": new_event_id(at),
        "served_at": moment, "response_id": response, "conversation_id": response,
        "turn": 0, "user_id": user, "session_id": "s", "policy": arm, "response": "Water them.",
        "conversation": [{"role": "user", "content": "How do I grow roses?"}], **place,
    })  # fmt: skip
    if loved:
        later = at + timedelta(minutes=1)
        yield json.dumps({
            "type": "reaction_changed", "schema_version": 2, "event_id": new_event_id(later),
            "reacted_at": later.isoformat().replace("+00:00", "Z"), "dwell_ms": 60_000,
            "response_id": response, "user_id": user, "session_id": "s", "reaction": "love", "action": "added",
        })  # fmt: skip


def product(name: str, begin: datetime, *, users: int, odds: dict[str, float], old: set[str]) -> Iterator[str]:
    """Three days of a test, users in turn in both arms; who was treated before (`old`) loves twice as often."""
    rng = np.random.default_rng(len(name))
    for number in range(users):
        user, arm = f"u{number:04}", ("control", "treatment")[rng.integers(2)]
        for visit in range(6):
            at = begin + timedelta(hours=12 * visit) + timedelta(seconds=int(rng.integers(3_600)))
            chance = odds[arm] * (2 if user in old else 1)
            yield from served(name, arm, user, at, visit, loved=bool(rng.random() < chance))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tests one after the other; the first one's treatment goes on having an effect."""
    folder = tmp_path_factory.mktemp("tests")
    first = list(product("first", NOW - 15 * DAY, users=400, odds={"control": 0.05, "treatment": 0.1}, old=set()))
    told = [json.loads(line) for line in first]
    treated = {each["user_id"] for each in told if each.get("arm") == "treatment"}
    second = product("second", NOW - 8 * DAY, users=400, odds={"control": 0.06, "treatment": 0.06}, old=treated)
    file = folder / "events.ndjson"
    file.write_text("\n".join([*first, *second]) + "\n")
    made = folder / "w.duckdb"
    done = CliRunner().invoke(group, ["import", str(file), "--warehouse", str(made)])
    assert "0 dead letters" in done.output, done.output
    return made


def test_what_an_earlier_treatment_left_is_told(target: Path) -> None:
    facts = reading.read(target, "second")
    (said,) = [note for note in facts["notes"] if note.startswith("of first, which ended before: ")]
    assert "+" in said
    assert not any(note.startswith("of ") for note in reading.read(target, "first")["notes"])


def test_an_open_test_tells_when_its_plan_is_met(target: Path) -> None:
    facts = reading.read(target, "second", lift=0.1)
    assert facts["decision"] == "continue"
    assert any(note.startswith("at the pace so far the plan is met in about ") for note in facts["notes"])


def test_each_test_keeps_its_level_on_ones_own_users_but_the_one_that_takes_loves_for_independent(target: Path) -> None:
    found = placebos.placebos(target, days=20, deals=150)
    assert (found["users"], found["loves"] > 200) == (400, True)
    by_test = {each["test"]: each for each in found["tests"]}
    for name in ("first lovers, looked at after each", "clustered ratio, at any look"):
        assert by_test[name]["interval"][0] <= 0.05
    page = CliRunner().invoke(
        group, ["experiment", "placebo", "--days", "20", "--deals", "20", "--warehouse", str(target)]
    )
    assert page.exit_code == 0, page.output
    assert "400 users" in page.output


def test_days_without_a_love_are_refused_with_the_rule(target: Path) -> None:
    with pytest.raises(ValueError, match=r"must be 20 or more users and a love: take more days"):
        placebos.placebos(target, days=1, deals=20)
