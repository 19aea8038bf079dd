"""Lines of the wire: good ones full of hard characters, and broken ones of every kind."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from streams.events import ErasureRequested, Event, Message, ReactionChanged, ResponseServed, encode, new_event_id

HARD = (
    "'", '"', "\\", "\\'", "''; DROP TABLE responses; --", "$1", "%s", "{}", "?", ";", "--", "/*", "\\u0041",
    "\x01", "\x07", "\x1b[31m", "\x7f", "\t", "\n", "\r\n", "\u0085", "\u00a0", "\u200b", "\u202e", "\u2028",
    "\u2029", "\ufeff", "\ufffd", "\uffff", "\U0001f9d1\u200d\U0001f680", "\U0010ffff", "e\u0301", "مرحبا", "日本語",
    "NULL", "nan", "inf", "2026-01-01", "0", "-1", "1e999", "true", "a" * 200, "❤️",
)  # fmt: skip
"""Texts that quoting, escaping and guessing go wrong on."""
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, 10**40, "", " ", [], {}, [[]], {"a": None},
    "x" * 300, "a\0", "\0", *HARD[:12],
)  # fmt: skip
_SPELLINGS = (
    (b'"user_id":"', b'"user_id":"\\u0000'), (b'"user_id":"', b'"user_id":"\\ud800'),
    (b'"user_id":"', b'"user_id":"\xff'), (b'"response_id":"', b'"response_id":"\\u0000'),
    (b'"policy":"', b'"policy":"\\u0000'), (b'{"', b'\xef\xbb\xbf{"'), (b'{"', b'{"user_id":"first","'),
    (b"}", b',"extra":NaN}'), (b"}", b',"extra":1e999}'), (b"}", b"}{}"), (b"Z", b"+14:00"), (b"20", b"99"),
    (b'"turn":', b'"turn":1e2,"t":'), (b'"', b"'"), (b"}", b"},"), (b"{", b"[{"), (b"}", b"}\r"), (b"Z", b""),
    (b'"type":"', b'"type":"x'), (b'"schema_version":2', b'"schema_version":9'), (b'"event_id":"0', b'"event_id":"F'),
)  # fmt: skip


class Line(NamedTuple):
    """One line to send.

    Attributes:
        text: Its bytes.
        event: What it must be stored as; None for a line that is broken, or may be.
        copy: Whether the same text was sent before.
    """

    text: bytes
    event: Event | None = None
    copy: bool = False


class Writer:
    """Writes lines; what it writes follows from its seed and the moment."""

    def __init__(self, seed: int, now: datetime | None = None) -> None:
        self.draw = random.Random(seed)
        self._now = now or datetime.now(UTC)
        self._made = 0
        self._shown: list[str] = ["never-shown"]
        self._kept: list[Line] = []

    def line(self) -> Line:
        """A good one, a copy of one, or a broken one."""
        chance = self.draw.random()
        if chance < 0.04 and self._kept:
            return self.draw.choice(self._kept)._replace(copy=True)
        event = self._event()
        if chance < 0.5:
            good = Line(encode(event), event)
            self._kept = [*self._kept[-200:], good]
            return good
        return Line(self._broken(event))

    def huge(self) -> Line:
        """A line close to the longest that is allowed, or well beyond."""
        size = self.draw.choice([300_000, 1_040_000, 1_048_577, 2_000_000, 3_900_000])
        event = self._served(self._moment())
        event = ResponseServed(
            **{name: getattr(event, name) for name in event.__struct_fields__} | {"response": "h" * size}
        )
        text = encode(event)
        return Line(text, event if len(text) <= 1_048_576 else None)

    def text(self) -> str:
        """Hard text."""
        return "".join(self.draw.choices(HARD, k=self.draw.randint(1, 3)))

    def _name(self, letter: str) -> str:
        """An id that no other event has, with something hard in it."""
        self._made += 1
        return f"{letter}{self._made}{self.text()}"[:256]

    def _moment(self) -> datetime:
        return self._now - timedelta(seconds=self.draw.uniform(0, 30 * 86_400))

    def _event(self) -> Event:
        moment, chance = self._moment(), self.draw.random()
        if chance < 0.55:
            return self._served(moment)
        if chance < 0.97:
            return ReactionChanged(
                event_id=self._id(moment),
                user_id=self._name("u"),
                reacted_at=moment,
                response_id=self.draw.choice(self._shown),
                reaction=self.draw.choice(["love", "like", "dislike", "wow'\\\""]),
                action=self.draw.choice(["added", "removed"]),
                session_id=self._name("s"),
                device_id=self._name("d"),
                dwell_ms=self.draw.choice([None, 0, 2**63 - 1]),
            )
        return ErasureRequested(event_id=self._id(moment), user_id=self._name("gone"), requested_at=moment)

    def _served(self, moment: datetime) -> ResponseServed:
        self._shown = [*self._shown[-50:], self._name("r")]
        arm = self.draw.random() < 0.3
        return ResponseServed(
            event_id=self._id(moment),
            user_id=self._name("u"),
            served_at=moment,
            response_id=self._shown[-1],
            conversation_id=self._name("c"),
            turn=self.draw.choice([0, 1, 2**63 - 1]),
            session_id=self._name("s"),
            policy=self.draw.choice(HARD),
            experiment=self.draw.choice(HARD) if arm else None,  # few arms: a guard counts each by itself
            arm=self.draw.choice(HARD[:3]) if arm else None,
            conversation=[Message("user", self.text() + self.draw.choice(["", "\0"]))],
            response=self.text() + self.draw.choice(["", "\0", "\0'"]),
        )

    def _id(self, moment: datetime) -> str:
        return new_event_id(moment, self.draw.getrandbits(74))

    def _broken(self, event: Event) -> bytes:
        way: Callable[[bytes], bytes] = self.draw.choice(
            [
                self._flipped,
                self._cut,
                self._changed,
                self._changed,
                self._changed,
                self._spelled,
                self._deep,
                self._noise,
            ]
        )
        return way(encode(event)).replace(b"\n", b" ") or b"x"

    def _flipped(self, text: bytes) -> bytes:
        data = bytearray(text)
        for _ in range(self.draw.randint(1, 4)):
            data[self.draw.randrange(len(data))] = self.draw.randrange(256)
        return bytes(data)

    def _cut(self, text: bytes) -> bytes:
        at = self.draw.randrange(len(text))
        return text[:at] if self.draw.random() < 0.5 else text[at:]

    def _changed(self, text: bytes) -> bytes:
        """Some fields take a value of another kind, go, or are joined by others."""
        fields = json.loads(text)
        for _ in range(self.draw.randint(1, 3)):
            name = self.draw.choice([*fields, "new", "a\0b", "conversation", "schema_version"])
            if self.draw.random() < 0.2:
                fields.pop(name, None)
            else:
                fields[name] = self.draw.choice(_ODD)
        return json.dumps(fields, ensure_ascii=self.draw.random() < 0.5).encode(errors="surrogatepass")

    def _spelled(self, text: bytes) -> bytes:
        """The same said otherwise, some of it wrongly."""
        return text.replace(*self.draw.choice(_SPELLINGS), 1)

    def _deep(self, text: bytes) -> bytes:
        depth = self.draw.choice([10, 900, 5_000])
        return text[:-1] + b',"deep":' + b"[" * depth + b"]" * depth + b"}"

    def _noise(self, _: bytes) -> bytes:
        return self.draw.randbytes(self.draw.choice([1, 7, 80, 3_000]))
