"""What a chat has served so far, as its gateway and its warehouse tell it."""

import http.client
import json
from pathlib import Path
from typing import Any


def counts(address: str, warehouse: Path) -> str | None:
    """Served and loved since the start, and what is stored of all times; None while somebody does not answer."""
    from warehouse import pulse
    from warehouse.storage.transaction import WarehouseError

    status = asked(address, "/operator/status")
    if status is None:
        return None
    try:
        days = pulse.days(warehouse)
    except WarehouseError:  # somebody else has it open for long
        return None
    served = sum(row["count"] for row in status["responses"])
    hearts = sum(
        {"added": row["count"], "removed": -row["count"]}[row["action"]]
        for row in status["reactions"]
        if row["reaction"] == "love"
    )
    stored = {name: sum(day[name] for day in days) for name in ("responses", "reactions")}
    return (
        f"{served:,} responses served, {hearts:,} hearts given; stored in all: {stored['responses']:,} responses, "
        f"{stored['reactions']:,} reactions"
    )


def asked(address: str, path: str) -> dict[str, Any] | None:
    """What the gateway says; None where it does not."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path)
        found: dict[str, Any] = json.loads(connection.getresponse().read())
        return found
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
