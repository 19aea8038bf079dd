from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from warehouse.candidates import StagedCandidate, find, stage_candidate, staged_candidates
from warehouse.connection import Warehouse

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def staged(name: str = "love-0.3-aa", **changes: Any) -> StagedCandidate:
    entry = StagedCandidate(
        name=name,
        policy=f"weights of {name}",
        predicted_lift=0.4,
        predicted_low=0.1,
        predicted_high=None,
        training_set="5e7",
        run="product",
        cycle=2,
        staged_at=NOON,
        lineage={"training_set": "5e7", "events": [{"topic": "loveloop.events", "next_offset": 7}]},
    )
    return replace(entry, **changes)


def test_a_staged_candidate_comes_back_as_it_was_noted(warehouse: Warehouse) -> None:
    stage_candidate(warehouse.target, staged())
    assert staged_candidates(warehouse.target) == [staged()]


def test_staging_a_name_again_replaces_it_and_no_other(warehouse: Warehouse) -> None:
    later = NOON + timedelta(days=1)
    stage_candidate(warehouse.target, staged())
    stage_candidate(warehouse.target, staged("love-0.1-bb"))
    stage_candidate(warehouse.target, staged(cycle=3, predicted_lift=None, staged_at=later))
    found = staged_candidates(warehouse.target)
    assert [(each.name, each.cycle, each.predicted_lift) for each in found] == [
        ("love-0.1-bb", 2, 0.4),
        ("love-0.3-aa", 3, None),
    ]


@pytest.mark.parametrize(
    ("policy", "name"), [("a", "a"), ("weights", "b"), ("incumbent", None)], ids=["by name", "by fingerprint", "none"]
)
def test_a_candidate_is_found_by_what_is_served(policy: str, name: str | None) -> None:
    there = [staged("a", policy="weights"), staged("b", policy="weights")]
    found = find(there, policy)
    assert (found and found.name) == name
