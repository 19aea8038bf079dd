from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from experiments.audit import AuditEntry, bundles, rolled_back

START = datetime(2026, 3, 1, tzinfo=UTC)


def definition(name: str, coverage: float = 1.0) -> dict[str, Any]:
    arms = {"control": {"name": "base", "digest": "0000"}, "treatment": {"name": name, "digest": f"sha-{name}"}}
    return {"coverage": coverage, "bundles": arms}


def trail(*changes: tuple[str, dict[str, Any]]) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for hour, (action, after) in enumerate(changes):
        before = entries[-1].after if entries else {}
        entries.append(AuditEntry("warmer", START + timedelta(hours=hour), "ann", action, "asked for", before, after))
    return entries


A, B, C = (definition(name) for name in "abc")


def test_the_exact_bundles_that_were_served_before_come_back() -> None:
    assert rolled_back(trail(("started", A), ("started", B))) == A


def test_a_rollback_of_a_rollback_goes_further_back_and_never_to_what_was_taken_back() -> None:
    first = trail(("started", A), ("started", B), ("started", C))
    once = rolled_back(first)
    assert once == B
    assert rolled_back(trail(("started", A), ("started", B), ("started", C), ("rolled_back", once))) == A


def test_after_a_rollback_a_new_bundle_falls_back_to_the_good_one() -> None:
    assert rolled_back(trail(("started", A), ("started", B), ("rolled_back", A), ("started", C))) == A


def test_a_rollback_over_two_takes_both_away() -> None:
    back = trail(("started", A), ("started", B), ("started", C), ("rolled_back", A), ("started", definition("d")))
    assert rolled_back(back) == A


def test_a_bundle_that_was_served_again_on_purpose_is_gone_back_to() -> None:
    assert rolled_back(trail(("started", A), ("started", B), ("rolled_back", A), ("started", B), ("started", C))) == B


def test_steps_of_a_ramp_are_one_definition_the_last_one_served() -> None:
    small, large = definition("a", 0.02), definition("a", 0.5)
    entries = trail(("started", small), ("ramped", large), ("started", definition("b", 0.02)), ("ramped", B))
    assert rolled_back(entries) == large


def test_what_nobody_was_served_is_not_gone_back_to() -> None:
    entries = trail(("planned", C), ("started", A), ("stopped", definition("a", 0.0)), ("planned", C), ("started", B))
    assert rolled_back(entries) == A


def test_the_digest_tells_bundles_of_one_name_apart() -> None:
    rebuilt = definition("a")
    rebuilt["bundles"]["treatment"]["digest"] = "sha-rebuilt"
    assert rolled_back(trail(("started", A), ("started", rebuilt))) == A


@pytest.mark.parametrize("changes", [(), (("started", A),), (("started", A), ("started", B), ("rolled_back", A))])
def test_where_nothing_was_served_before_there_is_nothing_to_go_back_to(changes: tuple[Any, ...]) -> None:
    entries = trail(*changes)
    with pytest.raises(ValueError, match="nothing to go back to: stop the experiment instead"):
        rolled_back(entries)


def test_histories_are_of_one_experiment_and_in_order() -> None:
    entries = trail(("started", A), ("started", B))
    with pytest.raises(ValueError, match="must be of one experiment"):
        rolled_back([entries[0], replace(entries[1], experiment="other")])
    with pytest.raises(ValueError, match="must rise in time"):
        rolled_back(entries[::-1])


def test_a_definition_without_bundles_has_none() -> None:
    assert bundles({"coverage": 0.5}) == {}


@pytest.mark.parametrize("bundle", [{"name": "a"}, {"name": "a", "digest": ""}, {"name": 3, "digest": "x"}, "a", None])
def test_a_bundle_that_could_not_be_served_again_is_refused(bundle: Any) -> None:
    with pytest.raises(ValueError, match="must have a name and a digest"):
        bundles({"bundles": {"treatment": bundle}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "changed"}, "must be one of planned, started"),
        ({"at": datetime(2026, 3, 1)}, "must be in UTC"),
        ({"at": datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=2)))}, "must be in UTC"),
        ({"by": " "}, "by is empty"),
        ({"why": ""}, "why is empty"),
        ({"experiment": ""}, "experiment is empty"),
        ({"after": {"coverage": float("nan")}}, "after cannot be written as JSON"),
        ({"before": {"since": START}}, "before cannot be written as JSON"),
        ({"after": {"bundles": {"treatment": {"name": "a"}}}}, "must have a name and a digest"),
    ],
)
def test_an_entry_that_says_too_little_is_refused(change: dict[str, Any], message: str) -> None:
    entry = trail(("started", A))[0]
    with pytest.raises(ValueError, match=message):
        replace(entry, **change)


def test_an_entry_cannot_be_changed() -> None:
    entry = trail(("started", A))[0]
    with pytest.raises(FrozenInstanceError):
        entry.why = "another"  # type: ignore[misc]
