"""What a product calls: three methods, one for each event of the contract."""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from . import drafts, topics
from .delivery import BUFFER_BYTES, Delivery, Stats
from .events import ContractError

_log = logging.getLogger("loveloop_client")


class Client:
    """Posts events in the background; no call waits for the broker.

    1. A call completes the event (id, moment, names of reactions, OpenAI's messages), checks it and queues it.
    2. A thread sends what is queued, and tries again until the broker has acknowledged it.
    3. While the broker is away the queue fills. What no longer fits is dropped and counted, or spooled to a file.
    4. When the program ends, the thread flushes for some seconds more, and says what it had to leave.

    Safe to use from several threads, and after a fork. Also a context manager. Constructing it neither waits nor fails
    when no broker is there.

    Args:
        bootstrap: `HOST:PORT` of the broker.
        topic: Where to; it must exist (`loveloop topics create`).
        spool: A file for what the broker does not take in time, one event a line; sent again when it is back, also by a
            later process. One file for each process; `loveloop send FILE` sends it too.
        strict: Raise on an event that breaks the contract; otherwise log the error and go on.
        buffer_bytes: Of memory for events that wait.
        timeout: Seconds for the broker to answer, and for the last flush.

    Raises:
        ValueError: A timeout or a buffer that is none.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str = topics.EVENTS,
        *,
        spool: Path | str | None = None,
        strict: bool = True,
        buffer_bytes: int = BUFFER_BYTES,
        timeout: float = 5.0,
    ) -> None:
        for name, value in (("timeout", timeout), ("buffer_bytes", buffer_bytes)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} == {value!r}, must be a finite number above 0")
        _quiet_kafka()
        self._strict = strict
        self._refused = 0
        self._delivery = Delivery(bootstrap, topic, Path(spool) if spool else None, buffer_bytes, timeout)

    def response(
        self,
        *,
        user_id: str,
        response_id: str,
        conversation_id: str,
        session_id: str,
        turn: int,
        policy: str,
        conversation: Sequence[Any] | str,
        response: str,
        experiment: str | None = None,
        arm: str | None = None,
        served_at: datetime | None = None,
        event_id: str | None = None,
        **more: Any,
    ) -> str | None:
        """A response was shown to a user.

        Args:
            user_id: A pseudonym.
            response_id: What reactions will point at.
            conversation_id: The same for all turns of a conversation.
            session_id: The same for one visit.
            turn: Which response of its conversation this is, from 0.
            policy: The model version that wrote it.
            conversation: All up to the user's last message: OpenAI's messages, or a text, which is one of the user.
            response: The text shown.
            experiment: The A/B test under which it was served; `arm` is then required.
            arm: The user's arm in it.
            served_at: When, with its time zone; now by default.
            event_id: A UUIDv7; made by default.
            more: Unknown fields; loveloop keeps them beside the event.

        Returns:
            The event's id; None when the event was refused and the client is not strict.

        Raises:
            ContractError: The event breaks the contract; the text names every wrong field, the rule and the cure.
        """
        own = {
            "user_id": user_id, "response_id": response_id, "conversation_id": conversation_id,
            "session_id": session_id, "turn": turn, "policy": policy, "conversation": conversation,
            "response": response, "experiment": experiment, "arm": arm, "served_at": served_at, "event_id": event_id,
        }  # fmt: skip
        return self._post("response_served", more | own)

    def reaction(
        self,
        *,
        user_id: str,
        response_id: str,
        session_id: str,
        reaction: str,
        action: str = "added",
        device_id: str | None = None,
        network_id: str | None = None,
        dwell_ms: int | None = None,
        reacted_at: datetime | None = None,
        event_id: str | None = None,
        **more: Any,
    ) -> str | None:
        """A user added or removed a reaction.

        Args:
            user_id: A pseudonym.
            response_id: Of the response that they reacted to.
            session_id: The same for one visit.
            reaction: Any spelling of it: `Love`, a heart sign, `thumbs_up`, or the product's own name.
            action: `added` or `removed`.
            device_id: A salted hash, as is `network_id`.
            network_id: Of the network.
            dwell_ms: Milliseconds between the response being shown and the reaction.
            reacted_at: When, with its time zone; now by default.
            event_id: A UUIDv7; made by default.
            more: Unknown fields; loveloop keeps them beside the event.

        Returns:
            The event's id, as `response` does.

        Raises:
            ContractError: As `response` does.
        """
        own = {
            "user_id": user_id, "response_id": response_id, "session_id": session_id, "reaction": reaction,
            "action": action, "device_id": device_id, "network_id": network_id, "dwell_ms": dwell_ms,
            "reacted_at": reacted_at, "event_id": event_id,
        }  # fmt: skip
        return self._post("reaction_changed", more | own)

    def erase(self, user_id: str, *, requested_at: datetime | None = None, event_id: str | None = None) -> str | None:
        """A user asked that everything about them be forgotten; returns and raises as `response` does."""
        own = {"user_id": user_id, "requested_at": requested_at, "event_id": event_id}
        return self._post("erasure_requested", own)

    @property
    def stats(self) -> Stats:
        """What became of the events so far."""
        return self._delivery.stats()._replace(refused=self._refused)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait for what was posted so far; not for a request's own thread.

        Returns:
            Whether the broker has acknowledged all of it within the timeout (seconds; the client's by default).
        """
        return self._delivery.flush(timeout)

    def close(self) -> None:
        """Flush and end; what the broker did not take is spooled, or dropped and told."""
        self._delivery.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, kind: str, fields: Mapping[str, Any]) -> str | None:
        try:
            event = drafts.to_line({**fields, "type": kind}, datetime.now(UTC))
        except ContractError as error:
            self._refused += 1
            if self._strict:
                raise
            _log.error("an event was refused and is lost: %s", error)
            return None
        self._delivery.put(event.line)
        return event.event_id


def _quiet_kafka() -> None:
    """Mute kafka-python, which logs ten lines a second while a broker is away, unless the product has set its level."""
    kafka = logging.getLogger("kafka")
    if kafka.level == logging.NOTSET:
        kafka.setLevel(logging.CRITICAL)
