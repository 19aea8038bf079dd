"""What a gateway is told by its file `gateway.toml`: models, keys, limits, names. Read once, at the start."""

import hashlib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from streams import topics

_SHA256 = "^[0-9a-f]{64}$"
_NAME = re.compile(r"[A-Za-z0-9][\w.:/@-]{0,127}")
ROUTED = "loveloop"
"""The model that clients ask for when the gateway shall choose the policy."""

Positive = Annotated[float, Meta(gt=0, le=1e9)]


class Backend(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server that speaks OpenAI's API and answers for one policy.

    Attributes:
        url: Base of its paths, such as `http://127.0.0.1:8000/v1`.
        model: What the policy is called there; the policy's own name when left out.
        key_env: The environment variable that holds the server's API key.
    """

    url: Annotated[str, Meta(pattern="^https?://[^/]")]
    model: str | None = None
    key_env: str | None = None


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key of a client, known by its hash alone.

    Attributes:
        sha256: Of the key's UTF-8 bytes, in hexadecimal; left out where `key_env` is given.
        key_env: The environment variable that holds the key itself, in place of its hash.
        user: Whose requests these are when they name nobody; None refuses them.
        reactions_for_others: Whether it may send reactions to responses that the gateway has not served.
    """

    sha256: Annotated[str, Meta(pattern=_SHA256)] = ""
    key_env: str | None = None
    user: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    reactions_for_others: bool = False


class GatewayLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one client may take.

    Attributes:
        requests_per_minute: Of one key; as many may come at once.
        user_requests_per_minute: Of one user of a key.
        body_bytes: Of one request; an event, which holds the conversation, has at most 1 MiB.
        seconds: Until a model's answer must be complete.
    """

    requests_per_minute: Positive = 6_000
    user_requests_per_minute: Positive = 60
    body_bytes: Annotated[int, Meta(ge=1_024, le=16 * 1_048_576)] = 1_048_576
    seconds: Positive = 120


class SpanSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether traces of OpenTelemetry become events.

    Attributes:
        enabled: Whether they do.
        keys: Names of the keys that may send them; all of `[keys]` when left out.
        body_bytes: Of one request, unpacked.
    """

    enabled: bool = False
    keys: tuple[str, ...] = ()
    body_bytes: Annotated[int, Meta(ge=1_024, le=16 * 1_048_576)] = 4 * 1_048_576


class OperatorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator page shows beside the gateway's own counts, and to whom.

    Attributes:
        open: The chat page's visitors may look, too, and not only holders of a key.
        guard: The web port of the live guard, whose counts are shown.
        dagster: Where Dagster's pages are; shown as links.
        sink: The file in which `loveloop ingest --status` tells how it stands.
    """

    open: bool = False
    guard: Annotated[str, Meta(pattern="^https?://[^/]")] | None = None
    dagster: Annotated[str, Meta(pattern="^https?://[^/]")] | None = None
    sink: str | None = None


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `gateway.toml`.

    Attributes:
        default: The policy of users who are in no experiment.
        backends: Server by policy; a text is the server's URL.
        others: The server of each policy that the routes name and `backends` does not; without it, such routes are
            refused.
        keys: Key by name; a text is its hash. Without any, everybody is let in.
        page_key_name: Under which key's name and limits the chat page's visitors go, without a key; None closes it.
        origins: Other sites whose scripts may call.
        limits: What one client may take.
        spans: Whether traces are taken.
        topics: Names of topics, where they are not the usual ones: `events`, `kill_switch`.
        folder: Where the secret and the memory of keys of reactions lie.
        operator: What the operator page shows, and to whom.
    """

    default: str
    backends: Annotated[dict[str, Backend | str], Meta(min_length=1)]
    others: Backend | None = None
    keys: dict[str, ApiKey | str] = {}
    page_key_name: str | None = None
    origins: tuple[str, ...] = ()
    limits: GatewayLimits = GatewayLimits()
    spans: SpanSettings = SpanSettings()
    topics: dict[str, str] = {}
    folder: str = "data/gateway"
    operator: OperatorSettings = OperatorSettings()


class ReadSettings(NamedTuple):
    """Settings with every short form written out.

    Attributes:
        told: The file's own words, with its limits and its folder.
        backends: Server by policy.
        keys: Name and key by the key's hash.
        names: The topics.
    """

    told: GatewaySettings
    backends: dict[str, Backend]
    keys: dict[str, tuple[str, ApiKey]]
    names: topics.Topics


def read(file: Path) -> ReadSettings:
    """Read a gateway's file.

    Raises:
        ValueError: It is no TOML, or says something that cannot be kept; the text names the place.
        FileNotFoundError: There is none.
    """
    try:
        return parse(file.read_text())
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{file}: {error}; docs/gateway.md shows every setting") from None


def parse(text: str) -> ReadSettings:
    r"""Read the text of a gateway's file.

    >>> read = parse('default = "v7"\nbackends.v7 = "http://127.0.0.1:8000/v1"')
    >>> read.backends["v7"].url, read.told.limits.seconds
    ('http://127.0.0.1:8000/v1', 120)

    Raises:
        ValueError: As for `read`, or the environment lacks a client's key.
    """
    told = msgspec.convert(tomllib.loads(text), GatewaySettings)
    backends = {name: _backend(value) for name, value in told.backends.items()}
    keys = {name: _key(name, value) for name, value in told.keys.items()}
    _check(told, backends)
    if len({key.sha256 for key in keys.values()}) < len(keys):
        raise ValueError("two names in [keys] have one key: give each client a key of its own")
    by_hash = {key.sha256: (name, key) for name, key in keys.items()}
    return ReadSettings(told, backends, by_hash, topics.TOPICS._replace(**told.topics))


def _backend(value: Backend | str) -> Backend:
    return msgspec.convert({"url": value}, Backend) if isinstance(value, str) else value


def _key(name: str, value: ApiKey | str) -> ApiKey:
    key = ApiKey(value) if isinstance(value, str) else value
    if key.key_env is not None:
        key = msgspec.structs.replace(key, sha256=_hash_of(name, key))
    if not re.fullmatch(_SHA256, key.sha256):
        raise ValueError(f"keys.{name} is no SHA-256 in hexadecimal; write the hash, never the key: sha256sum makes it")
    return key


def _hash_of(name: str, key: ApiKey) -> str:
    """The hash of a key that the environment holds."""
    if key.sha256:
        raise ValueError(f"keys.{name} has both sha256 and key_env: leave one out")
    given = os.environ.get(str(key.key_env))
    if not given:
        raise ValueError(f"keys.{name}: the environment has no {key.key_env}; set it to the client's key")
    return hashlib.sha256(given.encode()).hexdigest()


def _check(told: GatewaySettings, backends: dict[str, Backend]) -> None:
    if told.default not in backends:
        raise ValueError(f"default == {told.default!r}, must be a policy of [backends]: {', '.join(backends)}")
    if ROUTED in backends:
        raise ValueError(f"a policy is called {ROUTED!r}, which asks the gateway to choose: rename it in [backends]")
    for name in (*backends, *told.keys):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: use letters, digits and . : / @ _ -, at most 128 characters")
    if told.page_key_name is not None and told.keys and told.page_key_name in told.keys:
        raise ValueError(
            f"page_key_name == {told.page_key_name!r} is a client's key: visitors need a name of their own"
        )
    _check_spans(told)
    unknown = set(told.topics) - {"events", "kill_switch"}
    if unknown:
        raise ValueError(f"topics.{min(unknown)} is none of those that a gateway uses: events, kill_switch")
    if "*" in told.origins:
        raise ValueError("origins holds '*', which lets scripts of every site in: name the sites")


def _check_spans(told: GatewaySettings) -> None:
    if told.spans.enabled and not told.keys:
        raise ValueError("[spans] enabled = true lets its senders write what was served: add [keys]")
    unknown = set(told.spans.keys) - set(told.keys)
    if unknown:
        raise ValueError(f"spans.keys names {min(unknown)!r}, must be a name of [keys]: {', '.join(told.keys)}")
