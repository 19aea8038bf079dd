"""The live guard: a Faust worker that watches the events topic and speaks within seconds.

It publishes flags (`loveloop.flags`) and the Love rate of each arm (`loveloop.live-metrics`), and serves both as JSON
on its web port. It needs no durability of its own:

1. Read packs, count their lines (`live_counts`), publish the flags and wait until the broker has them.
2. Acknowledge a pack only when it has left the guard's memory: `horizon_seconds` of broker time later, or
   `HORIZON_PACKS` packs later.
3. Killed and started again, it reads from the oldest pack not acknowledged, and so rebuilds the counts that it had.
   Flags of that span are published again, byte by byte the same: at least once.

Left out on purpose: Faust's tables, `take` (it loses a batch whose work fails) and `exactly_once` (it is not).
"""

import asyncio
import sys
import tempfile
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from streams import brokers, topics, wire
from streams.live_counts import Flag, LoveRate, PartitionGuard

GROUP = "loveloop-guard"
HORIZON_PACKS = 20_000
"""Packs per partition that are read again at most; without their text they fill some 10 MB."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The guard's dials.

    Attributes:
        per_minute: Reaction changes by one user within 60 s that raise a flag.
        window_seconds: Length of the Love rate's windows.
    """

    per_minute: int = 30
    window_seconds: int = 300

    @property
    def horizon_seconds(self) -> float:
        """How much of the log a restarted guard reads again: two windows, so that the present one is whole."""
        return 2.0 * self.window_seconds


class Guard:
    """The guard's state over all partitions that this worker holds, and what it shows."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._partitions: dict[int, PartitionGuard] = {}
        self._unacknowledged: dict[int, deque[Any]] = {}
        self._flags: deque[Flag] = deque(maxlen=50)

    def observe(self, message: Any) -> list[Flag]:
        """Count the lines of a Kafka message (partition, offset, timestamp in s, value); the flags that result."""
        guard = self._partitions.get(message.partition)
        if guard is None:
            guard = self._partitions[message.partition] = PartitionGuard(
                message.partition,
                per_minute=self._rules.per_minute,
                window_seconds=self._rules.window_seconds,
                whole=message.offset == 0,
            )
        received = datetime.fromtimestamp(message.timestamp, UTC)
        found = [flag for line in wire.unpack(message.value) if (flag := guard.observe(line, received))]
        self._flags.extend(found)
        return found

    def hold(self, message: Any) -> list[Any]:
        """Keep a message unacknowledged; returns those of its partition that have left the guard's memory."""
        held = self._unacknowledged.setdefault(message.partition, deque())
        message.value = None  # its text is not needed any more
        held.append(message)
        oldest = message.timestamp - self._rules.horizon_seconds
        left: list[Any] = []
        while held and (held[0].timestamp < oldest or len(held) > HORIZON_PACKS):
            left.append(held.popleft())
        return left

    def forget(self, partition: int) -> None:
        """Drop a partition that another worker takes over."""
        self._partitions.pop(partition, None)
        self._unacknowledged.pop(partition, None)

    def love_rates(self) -> list[LoveRate]:
        """The rows that changed since the last call."""
        return [rate for guard in self._partitions.values() for rate in guard.love_rates()]

    def view(self) -> dict[str, Any]:
        """What the web port shows."""
        sums: dict[Any, list[int]] = {}
        for guard in self._partitions.values():
            for arm, (served, loves) in guard.totals().items():
                total = sums.setdefault(arm, [0, 0])
                total[0] += served
                total[1] += loves
        names = ("experiment", "arm", "policy", "served", "loves", "love_rate")
        return {
            "partitions": sorted(self._partitions),
            "lines": sum(guard.lines for guard in self._partitions.values()),
            "unreadable": sum(guard.unreadable for guard in self._partitions.values()),
            "arms": [dict(zip(names, (*arm, *total, total[1] / total[0]), strict=True)) for arm, total in sums.items()],
            "flags": msgspec.to_builtins(list(self._flags)),
        }


def run(
    bootstrap: str,
    *,
    web_host: str = "127.0.0.1",
    web_port: int = 6066,
    rules: Rules | None = None,
    names: topics.Topics = topics.TOPICS,
    session_seconds: float = 6.0,
    timeout: float = 10.0,
) -> None:
    """Run the guard in the foreground until SIGINT or SIGTERM, then return.

    Args:
        bootstrap: `HOST:PORT` of the broker; missing topics are created.
        web_host: Where the live view is served, as JSON on `/`.
        web_port: 0 picks a free one; the address is printed.
        rules: The guard's dials.
        names: Topics.
        session_seconds: After so long without a sign of life a worker loses its partitions.
        timeout: Seconds to wait for the broker at the start.

    Raises:
        BrokerUnavailableError: Nobody answers there.
    """
    topics.create_topics(bootstrap, topics=names, timeout=timeout)
    port = web_port or brokers.free_port()
    print(
        f"live guard on http://{web_host}:{port}/, reading {names.events} on {bootstrap}; Ctrl-C stops it", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="loveloop-guard-") as scratch:
        app = build(
            bootstrap, Guard(rules or Rules()), names=names, web=(web_host, port), scratch=Path(scratch),
            session_seconds=session_seconds,
        )  # fmt: skip
        _work(app)


def build(
    bootstrap: str, guard: Guard, *, names: topics.Topics, web: tuple[str, int], scratch: Path, session_seconds: float
) -> Any:
    """The Faust application around a guard: one agent, one timer, one page.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        guard: Counts.
        names: Topics.
        web: Host and port of the live view.
        scratch: For Faust's own files.
        session_seconds: As for `run`.
    """
    import faust

    app = faust.App(
        f"{GROUP}-{names.events}", broker=f"kafka://{bootstrap}", store="memory://", datadir=str(scratch),
        autodiscover=False, topic_disable_leader=True, topic_allow_declare=False, stream_wait_empty=False,
        key_serializer="raw",
        value_serializer="raw", producer_max_batch_size=1, web_bind=web[0], web_port=web[1], web_host=web[0],
        broker_session_timeout=session_seconds, broker_heartbeat_interval=session_seconds / 3,
        broker_commit_livelock_soft_timeout=86_400.0, stream_processing_timeout=86_400.0,
    )  # fmt: skip
    _add_agent(app, guard, names)
    _add_timer(app, guard, names)

    @app.on_partitions_revoked.connect  # type: ignore[untyped-decorator]
    async def revoked(sender: Any, partitions: set[Any], **_: Any) -> None:  # noqa: ARG001
        for partition in partitions:
            guard.forget(partition.partition)

    @app.page("/")  # type: ignore[untyped-decorator]
    async def live(web_view: Any, request: Any) -> Any:  # noqa: ARG001
        return web_view.json(guard.view())

    return app


def _add_agent(app: Any, guard: Guard, names: topics.Topics) -> None:
    flags = app.topic(names.flags, value_serializer="raw", key_serializer="raw")

    @app.agent(app.topic(names.events, value_type=bytes, value_serializer="raw"))  # type: ignore[untyped-decorator]
    async def watch(stream: Any) -> None:
        async for events in stream.noack_take(50, within=0.2):
            found = [flag for event in events for flag in guard.observe(event.message)]
            sent = [await flags.send(key=flag.user_id.encode(), value=msgspec.json.encode(flag)) for flag in found]
            await asyncio.gather(*sent)  # before any of these packs can be acknowledged
            for event in events:
                for message in guard.hold(event.message):
                    message.ack(app.consumer)


def _add_timer(app: Any, guard: Guard, names: topics.Topics) -> None:
    metrics = app.topic(names.live_metrics, value_serializer="raw", key_serializer="raw")

    @app.timer(interval=1.0)  # type: ignore[untyped-decorator]
    async def publish() -> None:
        for rate in guard.love_rates():
            await metrics.send(key=rate.policy.encode(), value=msgspec.json.encode(rate))


def _work(app: Any) -> None:
    import faust

    worker = faust.Worker(app, loglevel="WARNING", quiet=True, redirect_stdouts=False)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:  # Faust ends the process; a function returns
        if ended.code not in (0, None):
            raise


if __name__ == "__main__":
    run(sys.argv[1])
