"""What the gateway costs a request, and that what it answered is in the topic though the broker is restarted.

    .venv/bin/python bench/gateway.py [--quick] [--json FILE]

1. A model server that answers at once is asked at 500 requests a second, bare and through the gateway by turns, so that
   a disturbance meets both. `p99_overhead_ms` is the difference of the 99th percentiles; a latency counts from the
   moment when its request was due, and the gateway answers when Kafka has acknowledged the event.
2. `max_rps`: as many at once as bring the most answers.
3. Kafka is stopped in the middle of a load and started again; what is refused is sent again. Then the topic is read:
   `lost` answers of 200 whose response is not there, `twice` responses that stand there under two event ids (copies of
   one event, which ingest drops, are `copies`). Exit code 1 where either is not 0.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

import harness
import numpy as np
from gateway_parts import load

from streams import brokers, consumer, topics, wire

RATE = 500
EVENTS = topics.EVENTS
CONFIG = """
default = "v7"
folder = "{folder}"
[backends]
v7 = "http://127.0.0.1:{port}/v1"
[limits]
requests_per_minute = 1e9
user_requests_per_minute = 1e9
"""
ROOT = Path(__file__).resolve().parents[1]


class Sizes(NamedTuple):
    """How long it takes.

    Attributes:
        turns: Of each way, at the rate.
        seconds: Of one turn.
        most_seconds: Of each closed loop.
        outage_seconds: Of the load around the restart.
    """

    turns: int
    seconds: float
    most_seconds: float
    outage_seconds: float


def main() -> None:
    """Measure, print, write, and fail where something was lost."""
    parser = harness.arguments(__doc__, quick="a few seconds of each: rough figures")
    parser.add_argument("--rate", type=float, default=RATE, help=f"requests a second of the first part ({RATE})")
    wanted = parser.parse_args()
    sizes = Sizes(2, 3.0, 3.0, 12.0) if wanted.quick else Sizes(6, 10.0, 10.0, 60.0)
    with tempfile.TemporaryDirectory(prefix="loveloop-bench-") as scratch:
        figures = measured(Path(scratch), sizes, wanted.rate)
    harness.write(wanted.json, figures)
    print(json.dumps(figures, indent=1))
    sys.exit(bool(figures["lost"] or figures["twice"]))


def measured(scratch: Path, sizes: Sizes, rate: float) -> dict[str, Any]:
    """All figures."""
    port = brokers.free_port()
    broker = brokers.start("kafka", scratch / "kafka", port=port)
    try:
        with serving(scratch, broker.bootstrap) as (bare, through):
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
            asyncio.run(load.at_rate(through, 50, 2))  # connections, caches
            figures = costs(bare, through, sizes, rate) | most(through, sizes)
            print(json.dumps(figures), flush=True)
            print("the broker is restarted in the middle", flush=True)
            broker, outage = asyncio.run(around_restart(through, broker, scratch / "kafka", sizes))
            figures |= held_against(outage, broker.bootstrap)
    finally:
        broker.stop()
    return figures | {"cores": os.cpu_count(), "load": os.getloadavg()[0]}


def costs(bare: str, through: str, sizes: Sizes, rate: float) -> dict[str, Any]:
    """Latencies of both ways at one rate, by turns."""
    found: dict[str, list[load.Load]] = {"bare": [], "gateway": []}
    for _ in range(sizes.turns):
        for name, url in (("bare", bare), ("gateway", through)):
            found[name].append(asyncio.run(load.at_rate(url, rate, sizes.seconds)))
    figures: dict[str, Any] = {"rate": rate}
    for percent in (50, 99):
        both = {name: float(np.median([each.p(percent) for each in turns])) for name, turns in found.items()}
        figures |= {f"p{percent}_{name}_ms": round(value, 2) for name, value in both.items()}
        figures[f"p{percent}_overhead_ms"] = round(both["gateway"] - both["bare"], 2)
    figures["refused_at_rate"] = sum(each.refused for each in found["gateway"])
    return figures


def most(through: str, sizes: Sizes) -> dict[str, Any]:
    """The most answers a second, over several numbers of requests at once."""
    rates = {n: len((got := asyncio.run(load.at_most(through, n, sizes.most_seconds))).accepted) / got.seconds
             for n in (16, 64, 256)}  # fmt: skip
    best = max(rates, key=lambda number: rates[number])
    return {"max_rps": round(rates[best]), "max_rps_at_once": best}


async def around_restart(
    through: str, broker: brokers.Broker, folder: Path, sizes: Sizes
) -> tuple[brokers.Broker, load.Load]:
    """A load in whose middle the broker goes away and comes back."""
    running = asyncio.create_task(load.insisting(through, 100, sizes.outage_seconds, patience=60))
    await asyncio.sleep(sizes.outage_seconds / 3)
    await asyncio.to_thread(broker.stop)
    await asyncio.sleep(1)
    port = int(broker.bootstrap.rpartition(":")[2])
    again = await asyncio.to_thread(lambda: brokers.start("kafka", folder, port=port))
    return again, await running


def held_against(outage: load.Load, bootstrap: str) -> dict[str, Any]:
    """The responses that were answered with 200, looked up in the topic."""
    stand: dict[str, set[str]] = defaultdict(set)
    lines = 0
    for message in consumer.read_to_end(bootstrap, EVENTS):
        for line in wire.unpack(message.value):
            event = json.loads(line)
            stand[event["response_id"]].add(event["event_id"])
            lines += 1
    accepted = outage.accepted
    return {
        "accepted": len(accepted),
        "refused_in_outage": outage.refused,
        "in_topic": sum(name in stand for name in accepted),
        "lost": sum(name not in stand for name in accepted),
        "twice": sum(len(ids) > 1 for ids in stand.values()) + len(accepted) - len({*accepted}),
        "copies": lines - sum(map(len, stand.values())),
    }


@contextmanager
def serving(scratch: Path, bootstrap: str) -> Iterator[tuple[str, str]]:
    """The addresses of the model server and of the gateway before it, each a process of its own."""
    with _process(["-m", "gateway_parts.backend"], ROOT / "bench") as backend:
        port = int(_line(backend))
        config = scratch / "gateway.toml"
        config.write_text(CONFIG.format(folder=scratch / "state", port=port))
        words = ["-c", "from assets.cli import main; main()", "gateway", "--config", str(config), "--port", "0"]
        with _process([*words, "--bootstrap", bootstrap], ROOT) as gateway:
            address = _line(gateway).rpartition(" ")[2]
            _wait(f"{address}/ready")
            yield f"http://127.0.0.1:{port}/v1/chat/completions", f"{address}/v1/chat/completions"


@contextmanager
def _process(words: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=folder
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _wait(url: str) -> None:
    deadline = monotonic() + 60
    while monotonic() < deadline:
        with suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        sleep(0.1)
    raise TimeoutError(f"{url} is not there after 60 s")


if __name__ == "__main__":
    main()
