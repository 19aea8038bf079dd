"""What operators see of a gateway: its counts, who is served what, what tripped, and the live guard's counts.

No text of a message and no user is in it: of the guard it asks for counts of arms alone, never for flags.
"""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams.gateway import admission
from streams.gateway.refusals import RefusedError, json_response
from streams.gateway.routes import RoutedExperiment
from streams.gateway.state import GatewayState

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from starlette.requests import Request
    from starlette.responses import Response

PAGE = "operator.html"
_GUARD_SECONDS = 2.0
"""For the guard's answers; the page asks again soon."""
_MOST_ARMS = 200
_HEALTH = ("healthy", "reason", "lag", "newest_event")
_STORED = ("made_at", "events", "dead_letters", "dead_letters_by_reason", "waiting", "waiting_too_long", "lag")
_COUNTS = ("experiment", "arm", "policy", "served", "loves", "closings", "tripped")


async def respond(state: GatewayState, request: "Request") -> "Response":
    """The status, for whoever holds a key.

    Raises:
        RefusedError: 401: no key. 403: a visitor of the chat page asks, and `[operator] open` is not set. 429: too
            many requests of this key.
    """
    caller = admission.admit(state, request)
    # without keys everybody on this machine is let in, and a cookie more makes nobody less than that
    if caller.visitor is not None and state.settings.keys and not state.settings.told.operator.open:
        told = "the chat page's visitors do not see this: send a key, or set open = true in [operator]"
        raise RefusedError(403, "operator_closed", told)
    return json_response(200, await status(state), {"Cache-Control": "no-store"})


async def status(state: GatewayState) -> dict[str, Any]:
    """Everything that the operator page shows, as JSON values; counts are of this process since its start."""
    wanted, counts = state.settings.told.operator, state.metrics.counts
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "broker": state.commit.state(),
        "acknowledgements": state.metrics.lag.told(),
        "responses": _rows(counts("responses"), "policy", "experiment", "arm"),
        "reactions": _rows(counts("reactions"), "reaction", "action"),
        "requests": _rows(counts("requests"), "path", "status"),
        "refusals": _rows(counts("refusals"), "reason"),
        "incomplete": _rows(counts("incomplete"), "why"),
        "unrecorded": sum(counts("unrecorded").values()),
        "default": state.settings.told.default,
        "routes": {"made_at": state.routes.table.made_at, "error": state.routes.error},
        "kill_switch_read": state.switch.ready,
        "experiments": [_experiment(state, each) for each in state.routes.table.experiments],
        "guard": await _guard(wanted.guard) if wanted.guard else None,
        "sink": await asyncio.to_thread(_sink, Path(wanted.sink)) if wanted.sink else None,
        "dagster": wanted.dagster,
    }


def _rows(counts: dict[tuple[str, ...], int], *names: str) -> list[dict[str, Any]]:
    return [{**dict(zip(names, labels, strict=True)), "count": count} for labels, count in sorted(counts.items())]


def _experiment(state: GatewayState, routed: RoutedExperiment) -> dict[str, Any]:
    """An experiment of the routes with its arms.

    An arm is `off` when the kill switch has it, or is not read yet; all are while one is served by other files than
    those that it was started with.
    """
    written, layout = routed
    arms = [
        {
            "arm": arm,
            "share": share,
            "policy": written.bundles[arm].policy,
            "digest": written.bundles[arm].digest,
            "off": state.is_off(written.name, arm),
        }
        for arm, share in layout.arms.items()
    ]
    told = {name: getattr(written, name) for name in ("name", "revision", "coverage", "control", "namespace")}
    more = {"range": [written.start, written.end], "holdout": written.holdout, "arms": arms}
    return told | more | {"held_back": state.bundles.wrong.get(written.name)}


def _sink(file: Path) -> dict[str, Any]:
    """How ingest stands, by its own file; `error` says why that is not known."""
    nothing: dict[str, Any] = dict.fromkeys(_STORED)
    try:
        told = json.loads(file.read_bytes())
        return {name: told[name] for name in _STORED} | {"error": None}
    except FileNotFoundError:
        why = f"{file} is not there: loveloop ingest --status {file} writes it"
    except OSError as error:
        why = f"{file} cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError):
        why = f"{file} is none that loveloop ingest --status writes"
    return nothing | {"error": why}


async def _guard(url: str) -> dict[str, Any]:
    """The guard's health and counts; `error` says why there are none."""
    import aiohttp

    try:
        timeout = aiohttp.ClientTimeout(total=_GUARD_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            health, arms = await asyncio.gather(*(_json(session, f"{url.rstrip('/')}/{p}") for p in ("health", "arms")))
        rows = [{name: arm.get(name) for name in _COUNTS} for arm in arms[:_MOST_ARMS]]
        return {"url": url, "error": None, "health": {name: health.get(name) for name in _HEALTH}, "arms": rows}
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = f"the guard at {url} cannot be reached: {error or 'no answer in time'}"
    except (ValueError, TypeError, AttributeError):
        why = f"{url} answers what no live guard says; [operator] guard must name the web port of loveloop guard"
    return {"url": url, "error": why, "health": None, "arms": []}


async def _json(session: "ClientSession", url: str) -> Any:
    async with session.get(url, allow_redirects=False) as answer:
        return await answer.json(content_type=None)
