"""Where a run's inputs came from, and what its cycles came to: the parts `origins` and `cycles` of `report.json`."""

import msgspec


class Origin(msgspec.Struct, kw_only=True, frozen=True):
    """Where something that the run learnt or decided from came from.

    Attributes:
        what: Which input: `events`, `helpfulness labels`, `policy prompts`.
        origin: Its source, in words: `people's thumbs in the log: up against down`.
        simulated: The synthetic world made it; None where there is no such input.
        note: What else the reader should know, or nothing.
    """

    what: str
    origin: str
    simulated: bool | None
    note: str = ""


class CycleRow(msgspec.Struct, kw_only=True, frozen=True):
    """One cycle of a run: from new feedback to a decision. What it has not come to yet is None.

    Attributes:
        number: From 1.
        opened_at: ISO, UTC.
        why: What made it begin: `4,000 new responses`.
        training_set: The set's hash, or the start of it.
        rows: Examples in it, `loves` of them loved.
        auroc: Of P[Love] on unseen users.
        candidate: The staged one's name, and whether it `passed` every gate.
        decision: Of its candidate's A/B test, whichever cycle read it out.
    """

    number: int
    opened_at: str | None = None
    why: str | None = None
    training_set: str | None = None
    rows: int | None = None
    loves: int | None = None
    auroc: float | None = None
    candidate: str | None = None
    passed: bool | None = None
    decision: str | None = None
