"""The models that clients may ask for, and how the gateway is."""

from typing import TYPE_CHECKING, Any

from streams.gateway import metrics
from streams.gateway.refusals import json_response
from streams.gateway.settings import ROUTED
from streams.gateway.state import GatewayState

if TYPE_CHECKING:
    from starlette.responses import Response


def models(state: GatewayState) -> dict[str, Any]:
    """The routed default and every policy, as OpenAI lists models.

    Beside each: what it is served for, the `digest` that it is to have, and the one that its server tells (`served`).
    """
    nothing = {"digest": None, "experiment": None, "arm": None, "revision": None}
    digests = state.bundles.digests
    known = {
        bundle.policy: {
            "digest": bundle.digest or None,
            "experiment": written.name,
            "arm": arm,
            "revision": written.revision,
        }
        for written, _ in reversed(state.routes.table.experiments)  # the first by name is said last, and stays
        for arm, bundle in written.bundles.items()
        if arm in written.arms
    }
    names = (ROUTED, *state.policies)
    listed = [
        {
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": "loveloop",
            "loveloop": known.get(name, nothing) | {"served": digests.get(name)},
        }
        for name in names
    ]
    return {"object": "list", "data": listed}


def health(state: GatewayState) -> "Response":
    """Broker, routes and kill switch in words: 503 while the broker is away, for no response is served then."""
    broker = state.commit.state()
    table = state.routes.table
    told = {
        "broker": broker,
        "routes": {
            "error": state.routes.error,
            "made_at": table.made_at,
            "experiments": [each.written.name for each in table.experiments],
        },
        "held_back": state.bundles.wrong,
        "kill_switch": "read" if state.switch.ready else "not read yet: no arm is served",
    }
    return json_response(503 if broker["broker"] == "away" else 200, told)


def ready(state: GatewayState) -> "Response":
    """Whether requests may come: the broker takes events, and the kill switch has been read."""
    is_ready = state.commit.state()["broker"] == "connected" and state.switch.ready
    return json_response(200 if is_ready else 503, {"ready": is_ready})


def exposition(state: GatewayState) -> "Response":
    """The metrics."""
    from starlette.responses import Response

    broker = state.commit.state()
    gauges = {
        "broker_up": broker["broker"] == "connected",
        "broker_acknowledged_events": broker["acknowledged"],
        "broker_commits": broker["commits"],
        "routes_good": state.routes.error is None,
        "experiments": len(state.routes.table.experiments),
        "experiments_held_back": len(state.bundles.wrong),
        "kill_switch_read": state.switch.ready,
    }
    return Response(state.metrics.exposition(gauges), 200, {"Content-Type": metrics.CONTENT_TYPE})
