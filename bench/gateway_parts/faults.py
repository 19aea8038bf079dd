"""Everything from the client to the tables, as processes that are killed one after the other under load."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple

from gateway_parts import tables
from gateway_parts.place import Place, running
from gateway_parts.visits import Clients, Ledger

PROGRAMS = ("broker", "model", "sink", "second sink", "guard", "gateway")
VICTIMS = ("sink", "guard", "broker", "model", "gateway")
_DOWN_SECONDS = 1.0
"""Between a kill and the next start."""
_PATIENCE_SECONDS = 60.0
"""For how long a client sends again."""
_CATCH_UP_SECONDS = 120.0


class Dials(NamedTuple):
    """How hard and how long.

    Attributes:
        rate: Visits a second.
        calm: Seconds under load before each kill.
        rounds: How often each program is killed.
    """

    rate: float
    calm: float
    rounds: int


def measure(scratch: Path, dials: Dials) -> dict[str, Any]:
    """Load, kills, and the count of what the tables hold at the end."""
    from warehouse import connection

    connection.open(str(scratch / "warehouse.duckdb")).migrate()
    with running(scratch, PROGRAMS) as place:
        began = monotonic()
        ledger = loaded(place, dials)
        seconds = monotonic() - began
        unread = caught_up(place)
        figures = tables.counted(tables.stored(place.target), ledger)
        kills = {name: place.programs[name].kills for name in VICTIMS}
    told = {name: getattr(ledger, name) for name in ("tries", "refused", "refused_told", "broken", "given_up")}
    sizes = {"accepted_responses": len(ledger.responses), "accepted_reactions": len(ledger.reactions)}
    return figures | told | sizes | {"unread": unread, "kills": kills, "fault_seconds": round(seconds, 1)}


def loaded(place: Place, dials: Dials) -> Ledger:
    """What clients were told while one program after the other was killed.

    The kills stay in this thread: the kernel ends a program with the thread that started it.
    """
    clients, ended = Clients(place.urls["gateway"], _PATIENCE_SECONDS), threading.Event()
    load = threading.Thread(target=lambda: asyncio.run(clients.visit(dials.rate, ended.is_set)), name="visits")
    load.start()
    try:
        for name in VICTIMS * dials.rounds:
            sleep(dials.calm)
            print(f"  {name} is killed, after {len(clients.ledger.responses):,} responses", flush=True)
            place.programs[name].kill()
            sleep(_DOWN_SECONDS)
            place.programs[name].start()
            place.programs[name].wait()
        sleep(dials.calm)
    finally:
        ended.set()
        load.join()
    return clients.ledger


def caught_up(place: Place) -> int:
    """Wait for the sinks; how many messages they have not read when patience ends, which should be none."""
    deadline = monotonic() + _CATCH_UP_SECONDS
    while (left := tables.unread(place.target, place.bootstrap)) and monotonic() < deadline:
        sleep(0.5)
    return left
