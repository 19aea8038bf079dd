"""What the stages record that bring feedback home: events, ingest, adversary filter, clean feedback, training set."""

from typing import Any, ClassVar

import msgspec

from assets.facts.stage_facts import InputOrigin, StageFacts
from warehouse.training_set import Manifest


class EventsFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """Where the events come from.

    Attributes:
        origin: In words.
        amounts: How much was made, by kind; None of a live warehouse.
        world: The seed and settings of the synthetic world; None of any other source.
    """

    stage: ClassVar[str] = "events"
    origin: InputOrigin | None = None
    amounts: dict[str, Any] | None = None
    world: dict[str, Any] | None = None


class BrokerPassage(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """A file of events that went through a broker into the warehouse.

    Attributes:
        events_sent: Event lines; None where nothing was sent.
        messages: Kafka messages, each of one or more lines.
        taken: Lines that the warehouse took; as many as were sent.
        stored: What became of them, by responses, reactions, duplicates, dead_letters, erased.
        send_seconds: Until the broker had all of them.
    """

    events_sent: int | None = None
    messages: int | None = None
    taken: int | None = None
    stored: dict[str, int] | None = None
    send_seconds: float | None = None

    def passage(self) -> dict[str, Any]:
        """What became of the file, by name: for the facts of a stage that sent one."""
        own = [name for name in BrokerPassage.__struct_fields__ if name not in StageFacts.__struct_fields__]
        return {name: getattr(self, name) for name in own}


class IngestFacts(BrokerPassage, kw_only=True, frozen=True, omit_defaults=True):
    """What the warehouse holds after ingest.

    Attributes:
        rows: In the event tables.
        counts: As `warehouse.queries.counts`.
        fingerprint: Of the tables; None of a live warehouse.
        as_of: When it was counted; ISO, UTC.
    """

    stage: ClassVar[str] = "ingest"
    rows: int
    counts: dict[str, Any]
    fingerprint: str | None = None
    as_of: str


class AdversaryFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """What the daily job against adversaries found, over all of its days.

    Attributes:
        users_aside: Users in quarantine, `users_by_rule` in each rule's; `reactions_aside` alone.
        days: That were judged; None of a live warehouse, which its own nightly job judges.
        flags: By rule.
        cpu_seconds: By part of the job.
        lines: What each rule held a user against, on the last day.
        sentences: What may remain undetected.
    """

    stage: ClassVar[str] = "adversary"
    users_aside: int = 0
    reactions_aside: int = 0
    users_by_rule: dict[str, int] = msgspec.field(default_factory=dict)
    days: int | None = None
    flags: dict[str, int] = msgspec.field(default_factory=dict)
    cpu_seconds: dict[str, float] = msgspec.field(default_factory=dict)
    lines: dict[str, Any] = msgspec.field(default_factory=dict)
    sentences: list[str] = msgspec.field(default_factory=list)


class CleanFeedbackFacts(StageFacts, kw_only=True, frozen=True, omit_defaults=True):
    """The clean feedback in numbers, as `warehouse.queries.clean_feedback_summary`."""

    stage: ClassVar[str] = "clean_feedback"
    rows: int
    users: int
    loves: int
    love_rate: float | None
    likes: int
    dislikes: int
    served: int
    immature: int
    excluded: int


class TrainingSetFacts(Manifest, kw_only=True, frozen=True, omit_defaults=True):
    """The frozen training set: its manifest, and the directory in the run where it lies."""

    stage: ClassVar[str] = "training_set"
    directory: str
    summary: str = ""
    shown: list[str] = msgspec.field(default_factory=list)

    @property
    def content_version(self) -> str | None:
        """The set's hash."""
        return self.hash
