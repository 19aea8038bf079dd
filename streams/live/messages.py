"""What the live guard publishes, one JSON object a line: flags, windows of counts, trips; what its workers share."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from streams import wire

RULE_VERSION = 2
"""Raised whenever a rule of the guard changes what it flags or trips."""

Name = Annotated[str, Meta(pattern=r"^[^\x00]*$", max_length=256)]
"""An id or a name, as an event may hold it: without NUL."""
Moment = Annotated[datetime, Meta(tz=True)]
Number = Annotated[int, Meta(ge=0, le=2**53)]
Small = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Subject = Literal["user", "device", "network"]
Metric = Literal["closing_rate", "love_rate"]
Arm = tuple[str | None, str | None, str]
"""Experiment, arm, policy; the first two are None outside experiments."""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """Something suspicious. (rule, subject, user_id, key, flagged_at) identify it: who stores flags drops the second.

    Attributes:
        rule: Which rule was broken.
        rule_version: Raised when the rule changes.
        subject: `user`, `device` or `network`.
        user_id: The user, None for other subjects.
        key: The device's or network's salted hash, None for a user.
        score: How many times over the rule's line, 1 or more.
        evidence: What was counted.
        flagged_at: Event time (UTC): of the reaction that crossed the line, or the beginning of the minute in which a
            device or network crossed it.
    """

    rule: Name
    user_id: Name | None = None
    key: Name | None = None
    score: float
    evidence: dict[str, Any]
    flagged_at: Moment
    rule_version: Small = RULE_VERSION
    subject: Name = "user"

    @property
    def identity(self) -> tuple[str, str, str | None, datetime]:
        """What two snapshots of one flag share."""
        return self.rule, self.subject, self.user_id or self.key, self.flagged_at


class ArmWindow(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm did in one window, as one partition of the events topic saw it.

    A later snapshot of the same (partition, experiment, arm, policy, window_start) replaces the earlier one.

    Attributes:
        window_start: Responses served in [window_start, window_start + window_seconds) are counted; event time, UTC.
        served: Responses, copies not counted.
        loves: Of them loved at present, each at most once.
        closings: Of them those that say goodbye although the user did not.
        value: loves / served.
        measured_at: Event time (UTC) of the newest event of this partition that was counted.
        partition: Of the events topic.
        through: Messages of the partition up to this offset are counted; -1 when the writer did not say.
        life: Id of the events topic whose offsets these are; empty when the writer did not say.
    """

    experiment: Name | None
    arm: Name | None
    policy: Name
    window_start: Moment
    window_seconds: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    served: Number
    loves: Number
    closings: Number = 0
    value: float
    measured_at: Moment
    partition: Small
    through: int = -1
    life: str = ""
    metric: Name = "love_rate"


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """An arm that must not be served any more. (experiment, arm, metric) identify it; the first snapshot counts.

    Attributes:
        metric: What went wrong: `closing_rate` or `love_rate`.
        against: `limit` or the name of the control arm.
        rate: The arm's rate over the windows that were looked at.
        reference: The limit, or the control arm's rate.
        served: The arm's responses in those windows.
        log_evidence: Natural logarithm of the e-value that crossed the line.
        alpha: Chance that an arm which does no harm is ever tripped.
        tripped_at: Event time (UTC) of the newest event that was counted.
    """

    experiment: Name
    arm: Name
    metric: Metric
    against: Name
    rate: float
    reference: float
    served: Number
    log_evidence: float
    alpha: float
    tripped_at: Moment
    rule_version: Small = RULE_VERSION

    @property
    def identity(self) -> tuple[str, str, str]:
        """What two snapshots of one trip share."""
        return self.experiment, self.arm, self.metric

    @property
    def key(self) -> bytes:
        """Key of its message, so that a compacted topic keeps one of each.

        >>> Trip(experiment="e", arm="b", metric="love_rate", against="control", rate=0.1, reference=0.2, served=9,
        ...      log_evidence=8.0, alpha=0.001, tripped_at=datetime(2026, 3, 1)).key
        b'["e","b","love_rate"]'
        """
        return msgspec.json.encode(self.identity)


class ReactionCount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """So many reaction changes through a device or network within a minute, from one message of the events topic."""

    offset: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    subject: Subject
    key: Name
    minute: Annotated[int, Meta(ge=0, le=130_000_000)]
    count: Small


class Changes(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a worker tells the one that counts a device or network: changes seen in a partition of the events topic."""

    partition: int
    changes: list[ReactionCount]


T = TypeVar("T")


def pack(lines: Iterable[Any]) -> bytes:
    """One message of many structs, one JSON object a line."""
    return b"\n".join(map(msgspec.json.encode, lines))


def unpack(value: bytes | None, kind: type[T]) -> list[T]:
    """The structs of a message; lines that are not of that kind are left out (the sink keeps them as dead letters)."""
    decoder = msgspec.json.Decoder(kind)
    found: list[T] = []
    for line in wire.unpack(value):
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    return found
