"""Compatibility of the contract: what products posted under any version keeps its meaning."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import schema
from streams.events import SCHEMA_VERSION, ContractError, ReactionChanged, decode, encode, new_event_id
from streams.upcasters import ALIASES, UPCASTERS, WHITE_SPACE, canonical_reaction, upcast

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SAMPLES = Path(__file__).parent / "samples"
SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
VERSIONS = range(1, SCHEMA_VERSION + 1)


def lines(version: int) -> list[bytes]:
    return (SAMPLES / f"v{version}" / "lines.ndjson").read_bytes().splitlines()


def expected(version: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((SAMPLES / f"v{version}" / "decoded.json").read_text())
    return found


CASES = [(line, told) for v in VERSIONS for line, told in zip(lines(v), expected(v), strict=True)]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_has_samples_of_every_type_that_say_their_version(version: int) -> None:
    kinds = {(json.loads(line)["type"], json.loads(line).get("schema_version", 1)) for line in lines(version)}
    assert kinds == {(name, version) for name in ("response_served", "reaction_changed", "erasure_requested")}


@pytest.mark.parametrize(("line", "told"), CASES)
def test_a_stored_sample_means_what_it_meant(line: bytes, told: dict[str, Any]) -> None:
    event, extra = decode(line, received_at=NOW)
    assert {"event": msgspec.to_builtins(event), "extra": extra} == told


@pytest.mark.parametrize(("line", "told"), CASES)
def test_what_was_decoded_is_read_again_as_the_same(line: bytes, told: dict[str, Any]) -> None:
    event, _ = decode(line, received_at=NOW)
    assert decode(encode(event), received_at=NOW) == (event, {})


@pytest.mark.parametrize(
    ("version", "line"), [(version, line) for version in VERSIONS for line in lines(version)], ids=lambda v: str(v)[:4]
)
def test_the_published_schema_of_the_version_accepts_its_samples(version: int, line: bytes) -> None:
    published = json.loads((SCHEMAS / f"event.v{version}.json").read_text())
    jsonschema.Draft202012Validator(published).validate(json.loads(line))


def test_the_published_schema_is_the_contract() -> None:
    published = (SCHEMAS / f"event.v{SCHEMA_VERSION}.json").read_text()
    assert published == schema.text(), "run `python -m streams.schema docs/schema`"


def test_another_program_gets_the_schema_by_one_command(tmp_path: Path) -> None:
    assert schema.write(tmp_path / "new").read_text() == (SCHEMAS / f"event.v{SCHEMA_VERSION}.json").read_text()


@pytest.mark.parametrize(
    "changes",
    [{"reaction": "Love"}, {"reaction": "heart"}, {"reaction": "a b"}, {"action": "toggled"}, {"schema_version": 1}],
)
def test_the_published_schema_refuses_what_the_contract_refuses(changes: dict[str, Any]) -> None:
    good = json.loads(lines(2)[2])
    validator = jsonschema.Draft202012Validator(json.loads((SCHEMAS / "event.v2.json").read_text()))
    assert validator.is_valid(good)
    assert not validator.is_valid(good | changes)


def test_every_upcaster_starts_at_a_version_that_is_not_the_present_one() -> None:
    assert {version for _, version in UPCASTERS} <= set(range(1, SCHEMA_VERSION))


def reacted(name: str, **changes: Any) -> bytes:
    fields = json.loads(lines(1)[3]) | {"reaction": name} | changes
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("posted", "name"),
    [
        ("Love", "love"),
        ("HEARTS", "love"),
        ("\N{BLACK HEART SUIT}", "love"),
        ("+1", "like"),
        ("\N{THUMBS UP SIGN}", "like"),
        ("Thumbs\N{NO-BREAK SPACE}down", "dislike"),
        ("  ", "_"),
        ("\N{CAT FACE}", "\N{CAT FACE}"),
        ("\N{LATIN CAPITAL LETTER O WITH DIAERESIS}", "\N{LATIN CAPITAL LETTER O WITH DIAERESIS}"),
    ],
)
def test_a_reaction_of_version_one_gets_its_canonical_name(posted: str, name: str) -> None:
    event = decode(reacted(posted), received_at=NOW).event
    assert isinstance(event, ReactionChanged)
    assert (event.reaction, event.schema_version) == (name, 1)


@pytest.mark.parametrize("posted", ["Love", "heart", "a b", "love\n", "\n", "\N{THUMBS UP SIGN}"])
def test_version_two_refuses_another_name_and_says_how_to_write_it(posted: str) -> None:
    with pytest.raises(ContractError, match="version 2 writes it") as caught:
        decode(reacted(posted, schema_version=2), received_at=NOW)
    assert caught.value.reason == "invalid_field"
    assert json.dumps(canonical_reaction(posted)) in caught.value.detail


def test_a_newer_version_that_writes_reactions_otherwise_is_unknown() -> None:
    with pytest.raises(ContractError) as caught:
        decode(reacted("Love", schema_version=3), received_at=NOW)
    assert caught.value.reason == "unknown_version"


NAMES = st.text(min_size=1, max_size=64).filter(str.isprintable) | st.sampled_from(
    sorted(ALIASES)
) | st.text(alphabet=f"aB{WHITE_SPACE}", min_size=1, max_size=64)  # fmt: skip


@pytest.mark.slow
@given(NAMES)
def test_whatever_version_one_accepted_is_accepted_still(name: str) -> None:
    event = decode(reacted(name), received_at=NOW).event
    assert isinstance(event, ReactionChanged)
    assert event.reaction == canonical_reaction(name) == canonical_reaction(event.reaction)


@given(NAMES)
def test_version_two_accepts_exactly_the_canonical_names(name: str) -> None:
    try:
        decode(reacted(name, schema_version=2), received_at=NOW)
    except ContractError:
        assert canonical_reaction(name) != name
    else:
        assert canonical_reaction(name) == name


@pytest.mark.slow
@given(NAMES)
def test_a_line_that_the_present_check_accepts_is_the_same_without_its_upcaster(name: str) -> None:
    fields = json.loads(reacted(name))
    try:
        event = msgspec.convert(fields | {"schema_version": 1}, ReactionChanged)
    except msgspec.ValidationError:
        return
    assert upcast("reaction_changed", 1, fields) == fields
    assert decode(reacted(name), received_at=NOW).event == event


def test_what_a_product_writes_says_its_version() -> None:
    event = decode(lines(2)[2], received_at=NOW).event
    written = ReactionChanged(
        event_id=new_event_id(NOW), user_id="u", reacted_at=NOW, response_id="r", reaction="love", action="added",
        session_id="s",
    )  # fmt: skip
    assert json.loads(encode(written))["schema_version"] == SCHEMA_VERSION == event.schema_version
