"""What a gateway answers when it does not do as asked, in the form that clients of OpenAI's API read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from starlette.responses import Response

RETRY_SECONDS = 2
"""What a client is told to wait for when the broker did not acknowledge."""
_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class RefusedError(Exception):
    """A request that is answered with an error.

    Attributes:
        status: HTTP status.
        reason: A word for programs and metrics.
        told: A sentence for people: what was seen, the rule, the next step.
        headers: Of the answer.
    """

    def __init__(self, status: int, reason: str, told: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(told)
        self.status, self.reason, self.told = status, reason, told
        self.headers = dict(headers or {})

    def content(self) -> dict[str, Any]:
        """The error as JSON."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.told, "type": kind, "code": self.reason, "param": None}}

    def response(self) -> "Response":
        """The error as an answer."""
        return json_response(self.status, self.content(), self.headers)


def json_response(status: int, content: Any, headers: Mapping[str, str] | None = None) -> "Response":
    """An answer in JSON."""
    from starlette.responses import Response

    return Response(msgspec.json.encode(content), status, dict(headers or {}), media_type="application/json")


def invalid(told: str) -> RefusedError:
    """A request that does not say what it must."""
    return RefusedError(400, "invalid_request", told)


def model_failed(told: str) -> RefusedError:
    """A model's server does not answer as it must; which of its faults, and what to do."""
    return RefusedError(502, "model_failed", f"{told}; send again, and look at that server where it stays so")


def not_stored(told: str) -> RefusedError:
    """The broker did not acknowledge an event, so what belongs to it is not said."""
    return RefusedError(503, "not_stored", told, {"Retry-After": str(RETRY_SECONDS)})
