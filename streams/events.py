"""The event contract: what a product posts, and the only place where its shape is written.

Three events travel as one JSON object a line, tagged by `type`. Everything else (topics, tables, training sets) is
derived from them. This module is light on purpose: a product's serving process imports it, so it loads msgspec and
nothing heavier.

A field that is null counts as absent. A number that is none (NaN, Infinity) and half a character lose their field, not
the event (`streams.mending`). A line without `schema_version` is of version 1; lines of older versions are read
through `streams.upcasters`. Fields that this version does not know are kept beside the event.
"""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from . import conversations, faults, mending, moments  # relative: the client carries these files under its own name
from .faults import Fault, shown
from .upcasters import CANONICAL, upcast

SCHEMA_VERSION = 2
"""What `encode` writes. Version 2 takes canonical names of reactions only; version 1 took any."""
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""No event may claim to be older than this."""
LATEST_AHEAD = timedelta(hours=24)
"""No event may lie further than this ahead of the moment at which it was received."""
LONGEST_LINE = 1_048_576
"""Bytes of one event on the wire."""
DEEPEST = 256
"""Lists or objects of a line that may lie within one another: what reads them later has a limit of its own."""
TOO_DEEP = f"lists or objects within one another, more than {DEEPEST} deep, are not read: leave the inner ones out"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Some editors and exports put it before the first line of a file; it belongs to no event."""
MOMENTS = {"response_served": "served_at", "reaction_changed": "reacted_at", "erasure_requested": "requested_at"}
"""Which field says when, by type."""
NUL = b"\\u0000"
"""How JSON writes the character NUL: a line that holds none of these has no NUL anywhere."""

EventId = Annotated[
    str, Meta(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$", max_length=36)
]
Key = Annotated[str, Meta(min_length=1, max_length=256)]
Moment = Annotated[datetime, Meta(tz=True)]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Whole = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Reaction = Annotated[str, Meta(min_length=1, max_length=64, pattern=CANONICAL)]

Reason = Literal[
    "line_too_long",
    "not_json",
    "not_an_object",
    "unknown_type",
    "unknown_version",
    "invalid_field",
    "not_a_number",
    "nul_in_name",
    "timestamp_out_of_range",
]
"""Why a line became a dead letter."""


class Message(msgspec.Struct, frozen=True):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class _Event(msgspec.Struct, frozen=True, tag_field="type", kw_only=True, omit_defaults=True):
    event_id: EventId
    user_id: Key
    schema_version: Version = msgspec.field(default_factory=lambda: SCHEMA_VERSION)  # a plain default is not written


class ResponseServed(_Event, frozen=True, tag="response_served", kw_only=True, omit_defaults=True):
    """A policy's response was shown to a user.

    Attributes:
        event_id: UUIDv7; copies of one event share it.
        user_id: A pseudonym, at most 256 characters.
        served_at: When it was shown (time zone required; kept as UTC).
        response_id: What reactions point at.
        turn: Which response of its conversation this is, from 0.
        policy: The model version that wrote it.
        experiment: The A/B test under which it was served; `arm` is then required.
        conversation: Everything up to and including the user's last message.
        response: The text shown.
    """

    served_at: Moment
    response_id: Key
    conversation_id: Key
    turn: Whole
    session_id: Key
    policy: Key
    conversation: Annotated[list[Message], Meta(min_length=1)]
    response: str
    experiment: Key | None = None
    arm: Key | None = None


class ReactionChanged(_Event, frozen=True, tag="reaction_changed", kw_only=True, omit_defaults=True):
    """A user added or removed a reaction on a response.

    Attributes:
        reacted_at: When (time zone required; kept as UTC).
        reaction: `love`, `like`, `dislike`, or a product's own name, without upper case (A to Z) and white space.
        device_id: Salted hash, as is `network_id`.
        dwell_ms: Milliseconds between the response being shown and the reaction.
    """

    reacted_at: Moment
    response_id: Key
    reaction: Reaction
    action: Literal["added", "removed"]
    session_id: Key
    device_id: Key | None = None
    network_id: Key | None = None
    dwell_ms: Whole | None = None


class ErasureRequested(_Event, frozen=True, tag="erasure_requested", kw_only=True, omit_defaults=True):
    """A user asked that everything about them be forgotten."""

    requested_at: Moment


Event = ResponseServed | ReactionChanged | ErasureRequested


class ContractError(ValueError):
    """A line that breaks the contract; `reason` is the dead letter's code, the text says what was seen and the rule.

    Attributes:
        reason: The code.
        detail: What was seen, the rule and the cure, of every fault.
        faults: The same field by field, when fields are at fault.
    """

    def __init__(self, reason: Reason, detail: str, found: Sequence[Fault] = ()) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail
        self.faults = tuple(found)


class Decoded(NamedTuple):
    """An event, and the fields of its line that this version of the contract does not know."""

    event: Event
    extra: dict[str, Any]


KINDS: dict[str, type[Event]] = {
    "response_served": ResponseServed,
    "reaction_changed": ReactionChanged,
    "erasure_requested": ErasureRequested,
}
"""The struct of each `type`."""
WRITTEN = frozenset({"conversation", "response"})
"""Fields that hold what people and models wrote, word for word; all other texts are ids and names."""
_KNOWN = {name: frozenset((*kind.__struct_fields__, "type")) for name, kind in KINDS.items()}
_NAMES = frozenset(name for kind in KINDS.values() for name in kind.__struct_fields__ if name.endswith("_id")) | {
    "policy",
    "experiment",
    "arm",
    "reaction",
}
_OPTIONAL_NAMES = frozenset({"device_id", "network_id"})
_MESSAGE = frozenset(Message.__struct_fields__)


def new_event_id(moment: datetime, randomness: int | None = None) -> str:
    """A UUIDv7 for an event of that moment; `randomness` (74 bits) makes it repeatable.

    >>> new_event_id(datetime(2026, 1, 1, tzinfo=UTC), randomness=1)
    '019b76da-a800-7000-8000-000000000001'
    """
    bits = secrets.randbits(74) if randomness is None else randomness
    milliseconds = int(moment.timestamp() * 1000)
    value = (milliseconds << 80) | (7 << 76) | ((bits >> 62 & 0xFFF) << 64) | (2 << 62) | (bits & (1 << 62) - 1)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def moment_of(event: Event) -> datetime:
    """When the event happened, whichever of the three it is (UTC)."""
    match event:
        case ResponseServed():
            return event.served_at
        case ReactionChanged():
            return event.reacted_at
        case ErasureRequested():
            return event.requested_at


def at_odds(response: ResponseServed) -> bool:
    """Whether a response that was read field by field needs a look at them together: `decode` gives it."""
    return (response.experiment is None) != (response.arm is None) or response.conversation[-1].role == "assistant"


def encode(event: Event) -> bytes:
    """One line of the wire, without its newline."""
    return msgspec.json.encode(event)


def decode(line: bytes, *, received_at: datetime, told: Counter[str] | None = None) -> Decoded:
    """Read one line of the wire.

    1. Refuse a line that is too long, no JSON object, or of a type that is none of the three.
    2. Leave out fields that are null: they count as absent.
    3. Read the moment and the conversation as products write them (`streams.moments`, `streams.conversations`).
    4. Bring a line of an older version to the present one (`streams.upcasters`).
    5. Check every known field, the conversation's end, and the moment against the clock. Ids and names hold no NUL: a
       database takes it for the end of a text. What people wrote may hold one, and keeps it.
    6. Keep what this version does not know; when messages hold such fields, the messages as they came.

    Args:
        line: One JSON object.
        received_at: When the line arrived (`streams.receipt`). Checks against the clock use it instead of the wall
            clock, so that a replay of the log judges a line as the first reading did.
        told: Counts what step 3 changed and what a line lost that no JSON can hold, by rule.

    Raises:
        ContractError: What was seen, the rule, and a reason code for the dead letter.
    """
    if len(line) > LONGEST_LINE:
        raise ContractError("line_too_long", f"{len(line):,} bytes, an event has at most {LONGEST_LINE:,}")
    try:
        return _read(line, received_at, told)
    except RecursionError:  # whichever step comes upon it first
        raise ContractError("not_json", TOO_DEEP) from None


def _read(line: bytes, received_at: datetime, told: Counter[str] | None) -> Decoded:
    fields, lost = _object(line)
    if is_deep(line, fields):
        raise ContractError("not_json", TOO_DEEP)
    name = fields.get("type")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ContractError("unknown_type", f"type == {shown(name)}, must be one of {', '.join(KINDS)}")
    fields = without_nulls(fields)
    if lost:
        return _mended(fields, kind, lost, received_at, told)
    return _judged(fields, kind, received_at, told)


def _judged(fields: dict[str, Any], kind: type[Event], received_at: datetime, told: Counter[str] | None) -> Decoded:
    """Steps 3 to 6 of `decode`."""
    fields = _normalised(fields, told)
    event = _convert(fields, kind)
    if names_with_nul(event):
        found = faults.find(msgspec.structs.asdict(event), kind, SCHEMA_VERSION)
        raise ContractError("nul_in_name", faults.told(found), found)
    _check_moment(event, received_at)
    if isinstance(event, ResponseServed) and at_odds(event) and faults.at_odds(fields):
        raise _invalid(fields, kind)
    return Decoded(event, unknown_fields(fields))


def _mended(
    fields: dict[str, Any],
    kind: type[Event],
    lost: dict[str, str],
    received_at: datetime,
    told: Counter[str] | None,
) -> Decoded:
    """As `_judged`, of a line that lost something: what it was stays beside the event, under `mended`.

    Raises:
        ContractError: Also for half a character in a name, and `not_a_number` where a number was none and is needed.
    """
    try:
        found = _judged(with_lost(fields, lost), kind, received_at, told)
    except ContractError as error:
        missing = mending.numbers(lost, _KNOWN[fields["type"]])
        if error.reason != "invalid_field" or not missing:
            raise
        seen = ", ".join(f"{path} is {what}" for path, what in missing.items())
        detail = f"{seen}, which no JSON has and this field cannot do without: write a value ({error.detail})"
        raise ContractError("not_a_number", detail, error.faults) from None
    if told is not None:
        told.update(mending.rules(lost.values()))
    return found


def with_lost(fields: Mapping[str, Any], lost: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a line that was mended (`parse`), and beside them what they lost.

    Raises:
        ContractError: A name lost half a character; U+FFFD would make one of several.
    """
    halves = {path for path, what in lost.items() if what == mending.HALF and path in _NAMES}
    if wrong := sorted(halves - _OPTIONAL_NAMES):
        seen = f"has {mending.HALF} in it, must be whole, or nobody could tell two such names apart"
        cure = "write the name as the product has it, or leave its emoji out"
        found = [Fault(path, f"{path} == {shown(fields[path])} {seen}", cure) for path in wrong]
        raise ContractError("invalid_field", faults.told(found), found)
    kept = {name: value for name, value in fields.items() if value is not None and name not in halves}
    return kept | ({mending.MENDED: dict(lost)} if lost else {})


def unknown_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a line says that this version of the contract does not know; null counts as absent.

    When messages of a served response hold unknown fields, all messages are kept as they came.

    Args:
        fields: A line that `decode` accepts, as an object.

    >>> unknown_fields({"type": "erasure_requested", "user_id": "u", "ticket": 4711, "note": None})
    {'ticket': 4711}
    """
    known = _KNOWN[fields["type"]]
    extra = {key: value for key, value in fields.items() if key not in known and value is not None}
    if fields["type"] != "response_served":
        return extra
    messages = [{key: value for key, value in each.items() if value is not None} for each in fields["conversation"]]
    return extra | {"conversation": messages} if any(each.keys() - _MESSAGE for each in messages) else extra


def _normalised(fields: dict[str, Any], told: Counter[str] | None) -> dict[str, Any]:
    """The fields with a moment and a conversation of the contract, where the rules know one."""
    name = MOMENTS[fields["type"]]
    if name in fields and not moments.is_plain(fields[name]):
        fields[name] = moments.read(fields[name])
    return conversations.normalised(fields, told) if fields["type"] == "response_served" else fields


def is_deep(line: bytes, fields: Mapping[str, Any]) -> bool:
    """Whether more than `DEEPEST` lists or objects of a line lie within one another."""
    if line.count(b"[") + line.count(b"{") <= DEEPEST:
        return False
    level: list[Any] = [fields]
    for _ in range(DEEPEST):
        within = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for inner in within for each in inner if isinstance(each, dict | list)]
    return bool(level)


def names_with_nul(event: Event) -> list[str]:
    r"""The fields of an event, ids and names, that hold the character NUL.

    >>> at = datetime(2026, 3, 1, tzinfo=UTC)
    >>> names_with_nul(ErasureRequested(event_id=new_event_id(at), user_id="a\0", requested_at=at))
    ['user_id']
    """
    texts = ((name, getattr(event, name)) for name in event.__struct_fields__ if name not in WRITTEN)
    return [name for name, text in texts if isinstance(text, str) and "\0" in text]


def _object(line: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of a line, and what they lost that no JSON can hold."""
    fields, lost = parse(line)
    if not isinstance(fields, dict):
        raise ContractError("not_an_object", f"a JSON {type(fields).__name__}, must be an object with a type")
    return fields, lost


def parse(line: bytes, half: str = mending.REPLACEMENT) -> mending.Mended:
    """What a line of JSON says, without a byte order mark; NaN, Infinity and half a character are mended.

    Args:
        line: One JSON value.
        half: What takes the place of half a character.

    Raises:
        ContractError: `not_json`.
    """
    line = line.removeprefix(BYTE_ORDER_MARK)
    try:
        return mending.Mended(msgspec.json.decode(line), {})
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        try:
            return mending.parse(line, half)
        except ValueError:
            raise ContractError("not_json", f"{error}; a line holds one JSON object in UTF-8") from None


def without_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that count: null is absent."""
    return {key: value for key, value in fields.items() if value is not None}


def _convert(fields: dict[str, Any], kind: type[Event]) -> Event:
    version = fields.setdefault("schema_version", 1)
    known = type(version) is int and 1 <= version <= SCHEMA_VERSION  # True is no version
    present = upcast(fields["type"], version, fields) if known else fields
    try:
        return msgspec.convert(present, kind)
    except msgspec.ValidationError as error:
        if not known:
            rule = f"schema_version == {shown(version)}, known is {SCHEMA_VERSION}; a newer one keeps the known fields"
            raise ContractError("unknown_version", f"{rule} ({error})") from None
        raise _invalid(present, kind, str(error)) from None


def _invalid(fields: Mapping[str, Any], kind: type[Event], error: str = "") -> ContractError:
    """All that is wrong with the fields; what msgspec said where the search finds nothing."""
    found = faults.find(fields, kind, SCHEMA_VERSION)
    return ContractError("invalid_field", faults.told(found) or error, found)


def _check_moment(event: Event, received_at: datetime) -> None:
    moment = moment_of(event)
    latest = received_at + LATEST_AHEAD
    if not EARLIEST <= moment <= latest:
        hours = LATEST_AHEAD // timedelta(hours=1)
        received = f"{hours} hours after it was received ({received_at.isoformat()})"
        rule = f"must lie between {EARLIEST:%Y-%m-%d} and {received}"
        raise ContractError("timestamp_out_of_range", f"{moment.isoformat()}, {rule}")
