"""Asks the broker where the events topic ends, so that its absence and the lag are known.

It asks every two seconds, and at once when partitions were given to us: until then nothing is known of their lag.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from streams import topics
from streams.live.follower import Follower
from streams.live.guard import Guard
from streams.live.pulse import Turn

SECONDS = 2.0
"""Between two probes."""
_PATIENCE = 3.0
"""Seconds in which the broker must answer."""
_PATIENCE_AT_START = 8.0
"""Seconds in which it must answer for the first time: the clients are still being started then."""
_log = logging.getLogger(__name__)


class _LastWords(logging.Handler):
    """Keeps the last complaint of a client library instead of showing all of them, sixty a second."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if not str(record.msg).startswith("Unable to update metadata"):  # what follows; why was said just before
            self.text = record.getMessage()


class Probe:
    """Keeps a guard's pulse. Meanwhile the client libraries' own complaints are not shown.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        names: Topics; a broker that came back without them (Tansu keeps all in memory) gets them again.
        partitions: Of the events topic.
        guard: Whose pulse.
        follower: Its consumer asks.
        held: Partitions of the events topic that this worker holds.
    """

    def __init__(
        self, bootstrap: str, names: topics.Topics, partitions: int, *, guard: Guard, follower: Follower,
        held: Callable[[], set[int]],
    ) -> None:  # fmt: skip
        self._bootstrap, self._names, self._partitions = bootstrap, names, partitions
        self._guard, self._follower, self._held = guard, follower, held
        self._words, self._hurry = _LastWords(), asyncio.Event()
        for name in ("aiokafka", "kafka", "faust.topics"):
            logger = logging.getLogger(name)
            logger.setLevel(logging.WARNING)
            logger.handlers, logger.propagate = [self._words], False

    async def run(self) -> None:
        """Probe until cancelled; the group need not have said anything yet."""
        pulse = self._guard.pulse
        while True:
            age = pulse.age()
            new = pulse.lost is None and not self._follower.started.is_set()
            try:
                lag = await asyncio.wait_for(self._lag(), _PATIENCE_AT_START if new else _PATIENCE)
            except Exception as error:  # whatever it is, the numbers are not those of now
                self._say(pulse.silent(self._words.text or f"{type(error).__name__}: {error}"), age)
                await self._life_of_log()
            else:
                if pulse.lost is not None:
                    await self.check_log()
                self._say(pulse.answered(lag, self._guard.lines), age)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), SECONDS)
            self._hurry.clear()

    def hurry(self) -> None:
        """Probe at once instead of waiting for the next turn."""
        self._hurry.set()

    async def check_log(self) -> None:
        """Begin anew when the events topic is not the one of before: offsets of the old one mean nothing in it."""
        while (life := await self._life_of_log()) is None:
            await asyncio.sleep(1)
        if life != self._guard.board.life:
            self._guard.start_over(life)
            await self._follower.begin_again()

    async def _lag(self) -> dict[int, int]:
        held = self._held()
        starts, ends = await self._follower.span(held)
        return {number: max(0, ends[number] - self._next(number, starts[number])) for number in held}

    def _next(self, number: int, start: int) -> int:
        from streams.live.reader import behind_silence

        seen = self._guard.partitions.get(number)
        return behind_silence(self._names.events, number, seen.next if seen else start)

    async def _life_of_log(self) -> str | None:
        """The id of the events topic, after missing topics were created; None while the broker is away."""
        try:
            await asyncio.to_thread(
                topics.create_topics, self._bootstrap, topics=self._names, partitions=self._partitions, timeout=1.0
            )
            return await asyncio.to_thread(topics.life, self._bootstrap, self._names.events, timeout=1.0)
        except Exception:  # whatever it is, it is said elsewhere
            return None

    def _say(self, turn: Turn | None, age: float | None) -> None:
        why = self._guard.pulse.why
        numbers = "there are no numbers yet" if age is None else f"the numbers are {age:.0f} s old"
        if turn == "lost":
            _log.warning("broker %s does not answer (%s); waiting for it, %s", self._bootstrap, why, numbers)
        elif turn == "away":
            _log.warning("broker %s still does not answer (%s); %s", self._bootstrap, why, numbers)
        elif turn == "back":
            _log.warning("broker %s answers again (%s); going on from the log", self._bootstrap, numbers)
