"""The character NUL, which PostgreSQL takes for the end of a text: one rule for a DuckDB file and for a lake."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.events import ContractError
from warehouse import erasure, redrive
from warehouse.transfer import importing

NAMES = {
    "served": ("user_id", "response_id", "conversation_id", "session_id", "policy", "experiment", "arm"),
    "reacted": ("user_id", "response_id", "session_id", "device_id", "network_id", "reaction"),
    "erased": ("user_id",),
}


def good(product: Any) -> list[bytes]:
    return [line for n in range(10) for line in (product.served(f"k{n}", f"v{n}"), product.reacted(f"k{n}", f"v{n}"))]


def with_nul(product: Any, kind: str, name: str) -> bytes:
    """A line whose field ends in NUL."""
    made = {"served": product.served("r"), "reacted": product.reacted("r"), "erased": product.erasure("ann")}[kind]
    fields = json.loads(made)
    both = {"experiment": "e", "arm": "a"} if name in {"experiment", "arm"} else {}
    return json.dumps(fields | both | {name: str(fields.get(name, "x")) + "\0"}).encode()


@pytest.mark.slow
def test_a_name_with_nul_is_a_dead_letter_and_everything_beside_it_is_stored(feed: Any, product: Any) -> None:
    broken = [with_nul(product, kind, name) for kind, names in NAMES.items() for name in names]
    done = feed.pour(*broken, *good(product))
    assert (done.rows["responses"], done.rows["reactions"], done.rows["erasures"]) == (10, 10, 0)
    told = feed.ask("SELECT reason, detail, body FROM dead_letters ORDER BY kafka_offset")
    assert [(reason, body) for reason, _, body in told] == [("nul_in_name", line) for line in broken]
    assert 'response_id == "r\\u0000" holds the character NUL (U+0000), ids and names hold none' in told[1][1]
    assert redrive.redrive(feed.warehouse.target, reason="nul_in_name").failing == {"nul_in_name": len(broken)}
    assert feed.pour(*good(product)).duplicates == 0  # other events: what is stored is still asked for copies


@pytest.mark.parametrize("text", ["\0", "a\0b", "'\0; DROP TABLE responses; --", "\0\0\\"])
def test_what_was_written_keeps_its_nul(text: str, feed: Any, product: Any) -> None:
    talk = [{"role": "user", "content": text}]
    line = json.loads(product.served("r1", response=text)) | {"conversation": talk, f"new{text}": {text: text}}
    feed.pour(json.dumps(line).encode(), *good(product))
    ((response, conversation, extra),) = feed.ask(
        "SELECT response, conversation, extra FROM responses WHERE response_id = 'r1'"
    )
    assert (response, json.loads(conversation), json.loads(extra)) == (text, talk, {f"new{text}": {text: text}})
    assert feed.ask("SELECT count(*) FROM responses WHERE response = ?", "k") == [(0,)]


@pytest.mark.slow
def test_hard_names_are_stored_as_they_are_and_found_again(feed: Any, product: Any) -> None:
    names = [
        "plain",
        "'",
        "''",
        '"',
        "\\",
        "\\'",
        "\x01",
        "\x7f",
        "\u2028",
        "$1",
        "%s",
        "; --",
        "\U0010ffff",
        "x" * 256,
    ]
    lines = [line for n in names for line in (product.served(n, n), product.reacted(n, n))]
    feed.pour(*lines[:10])
    assert feed.pour(*lines).duplicates == 10
    assert sorted(row[0] for row in feed.ask("SELECT user_id FROM reaction_state")) == sorted(names)
    feed.pour(*(product.erasure(name) for name in names))
    assert feed.ask("SELECT count(*) FROM responses") == [(0,)]


def test_a_request_by_hand_for_a_name_with_nul_is_refused(feed: Any) -> None:
    with pytest.raises(ContractError, match="nul_in_name: user_id"):
        erasure.request(feed.warehouse.target, "u\0")
    assert feed.ask("SELECT count(*) FROM erasures") == [(0,)]


def test_an_imported_line_with_nul_in_a_name_is_refused_with_the_same_words(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b"\n".join([with_nul(product, "served", "response_id"), *good(product)]))
    found = importing.import_files(feed.warehouse.target, [file], progress=False)
    assert (found.rows["responses"], found.rows["reactions"], found.dead_letters) == (10, 10, 1)
    assert feed.ask("SELECT reason FROM dead_letters") == [("nul_in_name",)]
