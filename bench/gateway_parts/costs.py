"""What a request costs: the model server bare, behind the least proxy there is, and behind the gateway, by turns."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import numpy as np

from gateway_parts import load
from gateway_parts.place import CHAT, Place
from gateway_parts.processes import Program

PROGRAMS = ("broker", "model", "proxy", "gateway")
WAYS = {"bare": "model", "proxy": "proxy", "gateway": "gateway"}
"""Which program each way of a request ends at."""
_AT_ONCE = (16, 64, 256)


class Turns(NamedTuple):
    """How long it takes.

    Attributes:
        turns: Of each way, at the rate.
        seconds: Of one turn.
        most_seconds: Of each closed loop.
    """

    turns: int
    seconds: float
    most_seconds: float


def measure(place: Place, turns: Turns, rate: float) -> dict[str, Any]:
    """All figures of a place in which `PROGRAMS` run."""
    for way in WAYS:
        asyncio.run(load.at_rate(_url(place, way), 50, 2))  # connections, caches
    return at_rate(place, turns, rate) | most(place, turns)


def at_rate(place: Place, turns: Turns, rate: float) -> dict[str, Any]:
    """Latencies of all ways at one rate, and what a request takes of a processor in the gateway's process."""
    found: dict[str, list[load.Load]] = {way: [] for way in WAYS}
    used: list[float] = []
    gateway = place.programs["gateway"]
    assert isinstance(gateway, Program)
    for _ in range(turns.turns):
        for way, loads in found.items():
            before = gateway.processor_seconds()
            loads.append(asyncio.run(load.at_rate(_url(place, way), rate, turns.seconds)))
            if way == "gateway":
                used.append((gateway.processor_seconds() - before) * 1000 / max(1, len(loads[-1].accepted)))
    figures: dict[str, Any] = {"rate": rate, "cpu_ms": round(float(np.median(used)), 3)}
    for percent in (50, 99):
        all_ = {way: float(np.median([each.p(percent) for each in loads])) for way, loads in found.items()}
        figures |= {f"p{percent}_{way}_ms": round(value, 2) for way, value in all_.items()}
        figures[f"p{percent}_proxy_overhead_ms"] = round(all_["proxy"] - all_["bare"], 2)
        figures[f"p{percent}_overhead_ms"] = round(all_["gateway"] - all_["bare"], 2)
    return figures | {"refused_at_rate": sum(each.refused for each in found["gateway"])}


def most(place: Place, turns: Turns) -> dict[str, Any]:
    """The most answers a second, over several numbers of requests at once."""
    rates: dict[int, float] = {}
    for number in _AT_ONCE:
        got = asyncio.run(load.at_most(_url(place, "gateway"), number, turns.most_seconds))
        rates[number] = len(got.accepted) / got.seconds
    best = max(rates, key=lambda number: rates[number])
    return {"max_rps": round(rates[best]), "max_rps_at_once": best}


def _url(place: Place, way: str) -> str:
    return f"{place.urls[WAYS[way]]}{CHAT}"
