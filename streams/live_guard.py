"""The live guard: a Faust worker that watches the events topic and reports within seconds.

It publishes flags (`loveloop.flags`), counts per arm and window (`loveloop.live-metrics`) and arms that must not be
served any more (`loveloop.kill-switch`), and shows all three on its web port. docs/live-guard.md says what is promised.

1. Read packs, count their lines, publish flags and what other workers need, and wait until the broker has them.
2. Every few seconds publish the windows that changed, each with the offset up to which it counts, then what trips.
3. Acknowledge a message only when it was told of *and* has left the memory (`live.partition`).
4. Killed and started again, read the snapshots, then the log from the oldest message not acknowledged: memory is
   rebuilt, and counting goes on from the offsets told. What is published again is the same, byte by byte.
"""

import sys
import tempfile
from pathlib import Path

from streams import brokers, topics
from streams.live.guard import Guard
from streams.live.pulse import BrokerPulse
from streams.live.rules import Rules

__all__ = ["Guard", "Rules", "run"]


def run(
    bootstrap: str,
    *,
    web_host: str = "127.0.0.1",
    web_port: int = 6066,
    rules: Rules | None = None,
    names: topics.Topics = topics.TOPICS,
    session_seconds: float = 6.0,
    stale_seconds: float = 60.0,
    timeout: float = 10.0,
) -> None:
    """Run the guard in the foreground until SIGINT or SIGTERM, then return; it waits for a broker that goes away.

    While the broker is away, or when its end takes more than 2 s, the signal ends the process instead, with the exit
    code 0: nothing is lost by it.

    Args:
        bootstrap: `HOST:PORT` of the broker; missing topics are created.
        web_host: Where the live view is served: a page on `/live`, `/health`, `/metrics`, JSON on `/` and below.
        web_port: 0 picks a free one; the address is printed.
        rules: The guard's dials.
        names: Topics.
        session_seconds: After so long without a sign of life a worker loses its partitions.
        stale_seconds: `/health` says 503 when nothing was counted for so long although messages wait.
        timeout: Seconds to wait for the broker at the start.

    Raises:
        BrokerUnavailableError: Nobody answers there.
        Exception: The work failed, whatever the reason; the log has all that is needed to start again.
    """
    from streams.live import process
    from streams.live.worker import GuardWorker

    topics.create_topics(bootstrap, topics=names, timeout=timeout)
    port = web_port or brokers.free_port()
    guard = Guard(rules or Rules(), BrokerPulse(stale_seconds), topics.life(bootstrap, names.events))
    with tempfile.TemporaryDirectory(prefix="loveloop-guard-") as scratch:
        worker = GuardWorker(
            bootstrap, guard, names=names, web=(web_host, port), scratch=Path(scratch), session_seconds=session_seconds,
            counts_partitions=topics.partition_count(bootstrap, names.guard_counts),
        )  # fmt: skip
        print(f"live guard on http://{web_host}:{port}/live, reading {names.events} on {bootstrap}; Ctrl-C stops it")
        sys.stdout.flush()
        process.run(worker, Path(scratch))
    if worker.failure:
        raise worker.failure


if __name__ == "__main__":
    run(sys.argv[1])
