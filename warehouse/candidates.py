"""Staged candidates: what a run made, from what, and which lift it predicts. A live experiment is held against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from streams.record_fields import fields_of
from warehouse import connection

if TYPE_CHECKING:
    from warehouse.connection import Target


@dataclass(frozen=True, slots=True)
class StagedCandidate:
    """One row of `staged_candidates`. Lifts are relative: 0.1 is +10 %; None is "not known".

    Attributes:
        name: What it is called, and served under: the `policy` of its responses.
        policy: Fingerprint of its weights.
        predicted_lift: Of the Love rate, over the policy that was served when it was made.
        predicted_low: Lower limit of the prediction's interval.
        predicted_high: Upper limit.
        training_set: Hash of the feedback that it learnt from.
        run: The run that staged it.
        cycle: Which cycle of that run, from 1.
        staged_at: When.
        lineage: All that it was made from, as JSON values.
    """

    name: str
    policy: str
    predicted_lift: float | None
    predicted_low: float | None
    predicted_high: float | None
    training_set: str
    run: str
    cycle: int
    staged_at: datetime
    lineage: Mapping[str, Any]


def stage_candidate(target: Target, entry: StagedCandidate) -> None:
    """Note a staged candidate; an earlier row of the same name is replaced.

    Raises:
        WarehouseError: As `Warehouse.transaction`.
    """
    with connection.open(target).transaction() as writer:
        writer.execute("DELETE FROM staged_candidates WHERE name = ?", [entry.name])
        values = fields_of(entry) | {"lineage": json.dumps(dict(entry.lineage), sort_keys=True)}
        named = ", ".join(f"${name}" for name in values)
        writer.execute(f"INSERT INTO staged_candidates ({', '.join(values)}) VALUES ({named})", values)


def staged_candidates(target: Target) -> list[StagedCandidate]:
    """Every staged candidate, oldest first.

    Raises:
        WarehouseError: As `Warehouse.read`.
    """
    with connection.open(target).read() as reader:
        found = reader.execute("SELECT * FROM staged_candidates ORDER BY staged_at, name").to_arrow_table()
    return [
        StagedCandidate(**row | {"staged_at": row["staged_at"].astimezone(UTC), "lineage": json.loads(row["lineage"])})
        for row in found.to_pylist()
    ]


def find(staged: list[StagedCandidate], policy: str) -> StagedCandidate | None:
    """The candidate that is served as `policy`: by its name, else by its fingerprint; the newest of several."""
    by_name = [each for each in staged if each.name == policy]
    return next(reversed(by_name or [each for each in staged if each.policy == policy]), None)
