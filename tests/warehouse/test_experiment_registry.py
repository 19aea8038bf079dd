"""What people did with experiments: only ever appended to, and never over somebody else's change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from warehouse import experiment_registry
from warehouse.experiment_registry import Change, ExperimentChangedError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def change(action: Any = "planned", **other: Any) -> Change:
    fields = {"experiment": "tone", "changed_at": NOON, "changed_by": "ann", "why": "asked for"}
    return Change(**{**fields, "action": action, "definition": {"shares": {"control": 0.5}}, **other})


def test_changes_are_kept_in_their_order_and_the_last_one_stands(warehouse: Any) -> None:
    target = warehouse.target
    assert experiment_registry.changes(target, "tone") == []
    first = experiment_registry.append(target, change(), expected=0)
    late = change("started", changed_at=NOON - timedelta(hours=1), definition={"coverage": 0.1})
    second = experiment_registry.append(target, late, expected=1)
    other = experiment_registry.append(target, change(experiment="length"), expected=None)
    assert first == change()
    assert second.changed_at == NOON + timedelta(microseconds=1), "a clock that is behind changes no order"
    assert experiment_registry.changes(target, "tone") == [first, second]
    assert experiment_registry.changes(target) == [other, first, second]


def test_whoever_has_not_seen_the_last_change_is_refused_and_told_of_it(warehouse: Any) -> None:
    experiment_registry.append(warehouse.target, change(changed_by="bea"), expected=0)
    said = r"'tone' has 1 changes, 0 were expected \(bea planned it at 2026-03-01 12:00 UTC\): nothing was stored"
    with pytest.raises(ExperimentChangedError, match=said):
        experiment_registry.append(warehouse.target, change("started"), expected=0)
    with pytest.raises(ExperimentChangedError, match="nobody planned it"):
        experiment_registry.append(warehouse.target, change(experiment="length"), expected=1)
    assert len(experiment_registry.changes(warehouse.target)) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"action": "begun"}, r"action == 'begun', must be one of planned, started, ramped"),
        ({"experiment": ""}, r"experiment == '', must have 1 to 256 characters"),
        ({"why": " "}, r"changed_by or why is empty: say who"),
        ({"changed_at": NOON.replace(tzinfo=None)}, r"changed_at == .* must have a time zone"),
    ],
)
def test_a_change_that_says_too_little_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        change(**wrong)


def test_a_definition_that_is_no_json_is_refused(warehouse: Any) -> None:
    with pytest.raises(ValueError, match=r"the definition of 'tone' is no JSON .*: give plain values"):
        experiment_registry.append(warehouse.target, change(definition={"share": float("nan")}), expected=0)
