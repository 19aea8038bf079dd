"""`loveloop erase` after `loveloop import`, as an operator meets it: what an export of another product looks like."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from streams.events import Message, ReactionChanged, ResponseServed, encode, new_event_id

NOW = datetime.now(UTC)
AHEAD = NOW + timedelta(hours=5, minutes=30)


def told(user: str, at: datetime, words: str) -> list[bytes]:
    """A response to a user and their love for it."""
    common: dict[str, Any] = {"user_id": user, "session_id": "s", "response_id": f"r-{user}"}
    talk: dict[str, Any] = {
        "conversation_id": f"c-{user}",
        "turn": 0,
        "policy": "p",
        "conversation": [Message("user", "Hi")],
    }
    served = ResponseServed(event_id=new_event_id(at), served_at=at, response=words, **talk, **common)
    love = ReactionChanged(event_id=new_event_id(at), reacted_at=at, reaction="love", action="added", **common)
    return [encode(served), encode(love)]


class Product:
    """A folder with a warehouse, and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "w.duckdb"

    def imports(self, name: str, *lines: bytes, options: str = "") -> Result:
        (self.folder / name).write_bytes(b"\n".join(lines))
        return self.runs(f"import {self.folder / name} {options}")

    def runs(self, command: str) -> Result:
        home = f"--home {self.folder}/runs --training-sets {self.folder}/sets" if command.startswith("erase") else ""
        return CliRunner().invoke(group, [*command.split(), "--warehouse", str(self.file), *home.split()])

    def holds(self, mark: str) -> bool:
        return mark.encode() in self.file.read_bytes()


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(tmp_path)


@pytest.mark.slow
def test_what_a_clock_put_ahead_of_the_request_is_erased_and_its_file_does_not_bring_it_back(product: Product) -> None:
    lines = told("dev1", AHEAD, "Words that only dev1 was told.")
    assert product.imports("ahead.jsonl", *lines).exit_code == 0
    found = product.runs("erase dev1")
    assert (found.exit_code, product.holds("dev1")) == (0, False)
    assert "1 reactions, 1 responses in the warehouse)" in found.output
    assert "in the warehouse, all requests of this user taken together)" in product.runs("erase dev1").output
    assert "2 of erased users" in product.imports("again.jsonl", *lines, b" ").output
    assert not product.holds("only dev1")


@pytest.mark.slow
def test_dead_letters_in_arrays_and_under_mapped_columns_are_erased(product: Product) -> None:
    words = [json.loads(line) for user in ("userA", "userB") for line in told(user, NOW, f"Words for {user} alone.")]
    product.imports("array.jsonl", *told("userC", NOW, "Fine."), json.dumps(words).encode())
    row = '{"uid": "%s", "rid": "%s", "at": "2026-01-05T12:00:00Z", "prompt": "Hi", "answer": "Words for %s alone."'
    rows = [(row % (user, user, user)).encode() for user in ("bob", "cat", "eve")]
    product.imports(
        "foreign.jsonl", rows[0], rows[1] + b"}", rows[2] + b"}",
        options="--kind response_served --map user_id=uid --map response_id=rid --map served_at=at "
        "--map conversation=prompt --map response=answer --set turn=0 --set policy=p --set conversation_id=c "
        "--set session_id=s",
    )  # fmt: skip
    assert product.holds("Words for userB")
    assert product.holds("Words for bob")
    assert product.runs("erase userB").exit_code == product.runs("erase bob").exit_code == 0
    assert [product.holds(f"Words for {user}") for user in ("userB", "bob", "cat")] == [False, False, True]


@pytest.mark.slow
def test_a_name_that_nobody_has_is_refused_and_what_was_meant_is_suggested(product: Product) -> None:
    product.imports("one.jsonl", *told("margaret", NOW, "Hello."))
    for slip in ("Margaret", "margarte", "nobody"):
        found = product.runs(f"erase {slip}")
        assert (found.exit_code, "0 rows" in found.output, "nothing was recorded" in found.output) == (1, True, True)
        assert ("did you mean 'margaret'?" in found.output) == (slip != "nobody")
    assert not (product.folder / "erasures").exists()
    assert product.holds("margaret")
