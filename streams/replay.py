"""Sends a file of events again at a chosen speed, as if it happened now.

The pace is a pure function of the lines and a clock: `due` says when a line is to leave, `shifted` what it says when
event times move. `replay` is the thin shell: file, clock, producer.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from streams import topics
from streams.events import LATEST_AHEAD, MOMENTS, ContractError, decode, moment_of
from streams.producer import LONGEST_SENDABLE, EventProducer, numbered_lines

MILLISECOND: Final = timedelta(milliseconds=1)


class Pace(NamedTuple):
    """How fast lines leave; without either, as fast as possible.

    Attributes:
        speed: Seconds of event time per second of the clock.
        rate: Lines per second.
    """

    speed: float | None = None
    rate: float | None = None


class Clock(Protocol):
    """Time that passes, and how to let it pass."""

    def now(self) -> float:
        """Seconds; only differences mean something."""
        ...

    def wait(self, seconds: float) -> bool:
        """Let seconds pass; True when one should stop instead."""
        ...

    def today(self) -> datetime:
        """The moment by the calendar (UTC)."""
        ...


class WallClock:
    """Real time; `stop` ends a wait at once."""

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Sleep; True as soon as `stop` is set."""
        return self._stop.wait(seconds) if seconds > 0 else self._stop.is_set()

    def today(self) -> datetime:
        """Now."""
        return datetime.now(UTC)


class StoppedError(Exception):
    """The replay was asked to stop."""


class ReplayLine(NamedTuple):
    """A line of the file, and its moment where it keeps the contract."""

    number: int
    text: bytes
    moment: datetime | None


class ReplayReport(NamedTuple):
    """What a replay did.

    Attributes:
        events: Lines that the broker acknowledged; `bytes` of them.
        last: Number (from 1) of the last line of the file that was sent, or skipped; 0 for none.
        seconds: Of the clock.
        behind: Most seconds by which a line left after it was due; says nothing without a pace.
        shift: By which event times were moved.
        stopped: Whether it was stopped before the end.
        refused: Numbers of lines that are longer than a broker takes; they were not sent.
    """

    events: int
    bytes: int
    last: int
    seconds: float
    behind: float
    shift: timedelta
    stopped: bool
    refused: tuple[int, ...]


def timed(lines: Iterable[tuple[int, bytes]], *, received_at: datetime) -> Iterator[ReplayLine]:
    """Read each line's moment. A line that breaks the contract has none: the year 3000 must not hold up the others.

    Args:
        lines: Number and text.
        received_at: As for `events.decode`.
    """
    for number, text in lines:
        try:
            yield ReplayLine(number, text, moment_of(decode(text, received_at=received_at).event))
        except ContractError:
            yield ReplayLine(number, text, None)


def due(lines: Iterable[ReplayLine], pace: Pace) -> Iterator[tuple[ReplayLine, float]]:
    """When each line leaves, in seconds after the first.

    Lines keep their order. A file is in the order of arrival, so a line arrived no earlier than the latest moment that
    any line before it names: with moments m, line i is due `(max_{j <= i} m_j - m_1) / speed` seconds after the first.
    """
    first = latest = None
    for place, line in enumerate(lines):
        if line.moment is not None:
            first = first or line.moment
            latest = max(latest or line.moment, line.moment)
        if pace.rate is not None:
            yield line, place / pace.rate
        elif pace.speed is not None and first is not None and latest is not None:
            yield line, (latest - first).total_seconds() / pace.speed
        else:
            yield line, 0.0


def paced(lines: Iterable[ReplayLine], pace: Pace, clock: Clock) -> Iterator[tuple[ReplayLine, float]]:
    """Give each line when it is due, with the seconds by which it is late.

    What is late goes out at once, and what follows keeps its own time: delays do not add up.

    Raises:
        StoppedError: The clock says so, before a line.
    """
    began = clock.now()
    for line, after in due(lines, pace):
        if clock.wait(max(0.0, began + after - clock.now())):
            raise StoppedError(f"stopped before line {line.number:,}")
        yield line, max(0.0, clock.now() - began - after)


def shifted(line: ReplayLine, shift: timedelta) -> bytes:
    """The line with its moment moved, and its UUIDv7 with it: 48 bits of time move, the others stay.

    The order of event ids follows that of moments, as before; copies of a line stay copies. A line that breaks the
    contract stays as it is.

    Args:
        line: With its moment.
        shift: Whole milliseconds.

    >>> text = b'{"type":"erasure_requested","event_id":"019b76da-a800-7000-8000-000000000001","user_id":"u",'
    >>> text += b'"requested_at":"2026-01-01T00:00:00Z"}'
    >>> moved = shifted(ReplayLine(1, text, datetime(2026, 1, 1, tzinfo=UTC)), timedelta(milliseconds=1))
    >>> json = moved.decode().split(",")
    >>> json[1], json[3]
    ('"event_id":"019b76da-a801-7000-8000-000000000001"', '"requested_at":"2026-01-01T00:00:00.001000Z"}')
    """
    if line.moment is None or not shift:
        return line.text
    fields: dict[str, Any] = msgspec.json.decode(line.text)
    number = int(fields["event_id"].replace("-", ""), 16) + ((shift // MILLISECOND) << 80)
    name = f"{number:032x}"
    fields["event_id"] = f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:]}"
    fields[MOMENTS[fields["type"]]] = line.moment + shift
    return msgspec.json.encode(fields)


def replay(
    path: Path,
    bootstrap: str,
    *,
    pace: Pace,
    skip: int = 0,
    shift: timedelta | None = None,
    to_now: bool = False,
    topic: str = topics.EVENTS,
    clock: Clock | None = None,
    progress: bool = True,
) -> ReplayReport:
    """Send a file of events at this pace.

    1. Leave out the first `skip` lines of the file.
    2. Wait until a line is due.
    3. Move its moment, and send it; lines that break the contract go as they are, with the line before them.
    4. At the end, or when the clock says stop, return once the broker has acknowledged everything sent.

    Delivery is at least once, as for `send_file`: run again with `skip=report.last` to go on. A resumed replay that
    moves event times takes `shift=report.shift`, so that gaps across the break stay too.

    Args:
        path: NDJSON, in the order of arrival.
        bootstrap: `HOST:PORT` of the broker.
        pace: Speed or rate.
        skip: Lines of the file that were sent before.
        shift: Move event times by this much, in whole milliseconds.
        to_now: Move them so that the first event happens now.
        topic: Where to; it must exist.
        clock: Real time by default.
        progress: Draw a bar on a terminal.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A moved event would lie further ahead of the clock than the contract allows.
        BrokerUnavailableError: Nobody answers, or the broker went away.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; an event file holds one JSON object a line")
    clock = clock or WallClock()
    sending = _Sending(clock, shift or timedelta(), to_now=to_now, last=skip)
    began, stopped = clock.now(), False
    numbered = (each for each in numbered_lines(path, progress, does="replay") if each[0] > skip)
    with EventProducer(bootstrap, topic=topic) as producer:
        try:
            for line, late in paced(timed(numbered, received_at=clock.today()), pace, clock):
                sending.send(producer, line, late)
        except StoppedError:
            stopped = True
    return ReplayReport(
        events=producer.events,
        bytes=producer.bytes,
        last=sending.last,
        seconds=clock.now() - began,
        behind=sending.behind,
        shift=sending.shift,
        stopped=stopped,
        refused=tuple(sending.refused),
    )


class _Sending:
    """What has been sent, and by how much moments move."""

    def __init__(self, clock: Clock, shift: timedelta, *, to_now: bool, last: int) -> None:
        self._clock, self._to_now = clock, to_now
        self.shift, self.last, self.behind = shift, last, 0.0
        self.refused: list[int] = []

    def send(self, producer: EventProducer, line: ReplayLine, late: float) -> None:
        """Move the line's moment and send it."""
        if self._to_now and line.moment is not None:
            self.shift, self._to_now = (self._clock.today() - line.moment) // MILLISECOND * MILLISECOND, False
        self._check(line)
        text = shifted(line, self.shift)
        if len(text) > LONGEST_SENDABLE:
            self.refused.append(line.number)
        else:
            producer.send_line(text)
        self.last, self.behind = line.number, max(self.behind, late)

    def _check(self, line: ReplayLine) -> None:
        if self.shift and line.moment is not None and line.moment + self.shift > self._clock.today() + LATEST_AHEAD:
            raise ValueError(
                f"line {line.number:,} would happen at {line.moment + self.shift:%Y-%m-%d %H:%M:%S}, an event lies at "
                f"most {LATEST_AHEAD // timedelta(hours=1)} hours ahead of now; lines before it were sent: replay "
                "moved events at a speed of 1, or move them less"
            )
