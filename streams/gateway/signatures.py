"""Names that a gateway can vouch for: ids of responses, cookies of the page, all signed with one secret.

Whoever holds an id of a response can say that it was shown only to the user whose name is signed into it, so that the
check of a reaction needs no memory: every replica with the same secret gives the same answer.
"""

import hmac
import logging
import os
import re
import secrets
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from streams.events import new_event_id

VARIABLE = "LOVELOOP_GATEWAY_SECRET"
_SHORTEST = 16
_FORM = re.compile(r"r-([0-9a-f]{32})-([0-9a-f]{20})")
_COOKIE = re.compile(r"(visitor-[0-9a-f]{32})\.([0-9a-f]{64})")
_SESSIONS = uuid5(NAMESPACE_URL, "loveloop:sessions")
_log = logging.getLogger(__name__)


class MalformedIdError(ValueError):
    """An id that no gateway has made."""


class NotShownError(ValueError):
    """An id of a response that was not shown to this user."""


def secret(folder: Path, given: str | None) -> bytes:
    """The secret: the one that was given, or that of the folder, which is drawn when it is not there.

    Args:
        folder: Where it is kept, readable by its owner alone.
        given: Of the environment.

    Raises:
        ValueError: It is shorter than 16 characters.
    """
    if given is not None:
        return _checked(given.encode(), VARIABLE)
    file = folder / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _checked(file.read_bytes().strip(), str(file))
    with os.fdopen(number, "wb") as opened:
        opened.write(secrets.token_hex(32).encode())
    _log.warning("a secret was drawn into %s; give other replicas the same one by %s", file, VARIABLE)
    return file.read_bytes()


def _checked(value: bytes, place: str) -> bytes:
    if len(value) < _SHORTEST:
        raise ValueError(f"{place} has {len(value)} characters, must have at least {_SHORTEST}: openssl rand -hex 32")
    return value


def new_response_id(key: bytes, user: str, moment: datetime) -> str:
    """An id for a response to a user: `r-UUID-SIGNATURE`, where the UUID begins with the moment."""
    name = new_event_id(moment).replace("-", "")
    return f"r-{name}-{_sign(key, 'response', name, user)[:20]}"


def shown(key: bytes, response_id: str, user: str) -> str:
    """The UUID of a response that was shown to a user.

    >>> from datetime import UTC
    >>> made = new_response_id(b"k" * 16, "ada", datetime(2026, 3, 1, tzinfo=UTC))
    >>> shown(b"k" * 16, made, "ada")[:13]
    '019ca6b1-dc00'

    Raises:
        MalformedIdError: No gateway makes such an id.
        NotShownError: It was not shown to this user, or not by a gateway with this secret.
    """
    found = _FORM.fullmatch(response_id)
    if found is None:
        raise MalformedIdError("the response_id is none that a gateway made: send the id of the response as it came")
    if not hmac.compare_digest(found[2], _sign(key, "response", found[1], user)[:20]):
        raise NotShownError("this response was not shown to this user; a reaction comes from who saw the response")
    return uuid_of(response_id)


def uuid_of(response_id: str) -> str:
    """The UUID of a response's id, which is the `event_id` of its event, too.

    >>> uuid_of("r-019ca6b14c007000800000000000abcd-0123456789abcdef0123")
    '019ca6b1-4c00-7000-8000-00000000abcd'
    """
    name = response_id[2:34]
    return f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"


def new_cookie(key: bytes) -> tuple[str, str]:
    """A visitor of the page: the user's name and the cookie that proves it."""
    user = f"visitor-{secrets.token_hex(16)}"
    return user, f"{user}.{_sign(key, 'cookie', user)}"


def visitor(key: bytes, cookie: str | None) -> str | None:
    """Whose cookie this is; None where no gateway with this secret made it."""
    found = _COOKIE.fullmatch(cookie or "")
    return found[1] if found and hmac.compare_digest(found[2], _sign(key, "cookie", found[1])) else None


def session_of(user: str, moment: datetime) -> str:
    """The session of a request that names none: one for a user and a day (UTC), the same on every replica."""
    return _session(user, moment.year, moment.month, moment.day)


@lru_cache(maxsize=16_384)
def _session(user: str, year: int, month: int, day: int) -> str:
    return f"s-{uuid5(_SESSIONS, f'{year:04}-{month:02}-{day:02}|{user}').hex}"


def digest(key: bytes, purpose: str, *parts: str) -> str:
    """A name that tells nobody without the secret what it was made of, 64 hexadecimal digits."""
    return _sign(key, purpose, *parts)


def _sign(key: bytes, purpose: str, *parts: str) -> str:
    """HMAC-SHA256 of the parts, each with its length before it, so that no two lists read as one text."""
    text = "".join([f"{len(part.encode())}:{part}" for part in (purpose, *parts)])
    return hmac.digest(key, text.encode(), "sha256").hex()  # a fifth of the time of hmac.new
