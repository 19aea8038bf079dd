"""Requests at a given rate, or as many as come back; each latency is taken from the moment when it was due."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

if TYPE_CHECKING:
    from aiohttp import ClientSession

USERS = 500


class Load(NamedTuple):
    """What came back.

    Attributes:
        latencies: float64 [answers with 200], milliseconds from when they were due.
        accepted: Ids of responses that were answered with 200.
        refused: Answers of any other status, and connections that broke.
        seconds: From the first request to the last answer.
    """

    latencies: np.ndarray
    accepted: list[str]
    refused: int
    seconds: float

    def p(self, percent: float) -> float:
        """A percentile of the latencies, in milliseconds; NaN where nothing came back."""
        return float(np.percentile(self.latencies, percent)) if len(self.latencies) else float("nan")


def body(number: int, **more: Any) -> bytes:
    """A request of one of the users, a short conversation as a product sends it."""
    messages = [
        {"role": "system", "content": "You are a helpful gardener."},
        {"role": "user", "content": f"How do I keep basil number {number} alive through the winter?"},
    ]
    return msgspec.json.encode({"model": "v7", "user": f"u{number % USERS}", "messages": messages, **more})


async def at_rate(url: str, rate: float, seconds: float) -> Load:
    """An open loop: requests leave when they are due, whether or not others have come back."""
    async with client() as session:
        began = time.perf_counter()
        tasks = []
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(_one(session, url, number, due)))
        found = await asyncio.gather(*tasks)
    return _load(found, time.perf_counter() - began)


async def at_most(url: str, at_once: int, seconds: float) -> Load:
    """A closed loop: so many at once, each followed by the next."""
    async with client() as session:
        began = time.perf_counter()

        async def lane(first: int) -> list[tuple[float, str | None]]:
            found, number = [], first
            while time.perf_counter() - began < seconds:
                found.append(await _one(session, url, number, time.perf_counter()))
                number += at_once
            return found

        lanes = await asyncio.gather(*map(lane, range(at_once)))
    return _load([each for lane_ in lanes for each in lane_], time.perf_counter() - began)


async def _one(session: ClientSession, url: str, number: int, due: float) -> tuple[float, str | None]:
    import aiohttp

    try:
        async with session.post(url, data=body(number)) as answer:
            content = await answer.read()
            if answer.status != 200:
                return 0.0, None
    except (aiohttp.ClientError, TimeoutError):
        return 0.0, None
    return (time.perf_counter() - due) * 1000, msgspec.json.decode(content)["id"]


def client() -> ClientSession:
    """A client without a limit of connections."""
    import aiohttp

    headers = {"Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=30)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers, timeout=timeout)


def _load(found: list[tuple[float, str | None]], seconds: float) -> Load:
    good = [(latency, name) for latency, name in found if name is not None]
    latencies = np.array([latency for latency, _ in good])
    return Load(latencies, [name for _, name in good], len(found) - len(good), seconds)
