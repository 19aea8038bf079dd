"""Who is to be served what, as one JSON file that whoever serves follows: the layouts and bundles of what runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.experiment import control
from assets.experiment.definition import values

if TYPE_CHECKING:
    from warehouse.connection import Target


def routes(target: "Target") -> dict[str, Any]:
    """What a gateway needs to serve by: of every running experiment its layout and each arm's bundle, as JSON values.

    An experiment of which an arm's folder is not what was started, or whose definition this version cannot read, stands
    in `left_out`, with the reason, and is served to nobody: it must not keep another one's rollback from being served.
    """
    readable, unreadable = control.all_planned(target)
    told: list[dict[str, Any]] = []
    left_out = [{"name": each.name, "why": each.why} for each in unreadable if each.running]
    for each in (each for each in readable if each.running):
        try:
            for served in each.definition.bundles.values():
                served.unchanged()
        except ValueError as error:
            left_out.append({"name": each.name, "why": str(error)})
        else:
            told.append({"name": each.name, "revision": len(each.changes), **values(each.definition)})
    return {"made_at": datetime.now(UTC).isoformat(), "experiments": told, "left_out": left_out}


def write_routes(target: "Target", file: Path) -> list[str]:
    """Write `routes` whole or not at all, so that a gateway never reads half of it.

    Returns:
        A sentence on each experiment that was left out.
    """
    import json

    from streams.whole_file import whole

    told = routes(target)
    with whole(file) as part:
        part.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [f"{each['name']} is left out, nobody is in it: {each['why']}" for each in told["left_out"]]
