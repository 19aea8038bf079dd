"""A guardrail that was found broken stays broken."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.experiment import reading
from tests.assets.experiment.conftest import NOON, events, in_turn, store
from warehouse import experiments

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def test_a_guardrail_stays_broken_whatever_comes_later_and_says_since_when(started: Path) -> None:
    store(started, events(in_turn, range(600), closing={"control": 0.05, "treatment": 0.3}))
    early = NOON + timedelta(days=3)
    first = reading.read(started, "warmer", as_of=early)
    (guardrail,) = first["guardrails"]
    assert (guardrail["state"], guardrail["broken_at"], first["decision"]) == ("broken", early.isoformat(), "stop")
    store(started, events(in_turn, range(600, 3_600), closing={"control": 0.3}, begin=NOON + timedelta(days=4)))
    later = reading.read(started, "warmer")
    (guardrail,) = later["guardrails"]
    assert guardrail["ratio_ci"][1] < 1, "by this look alone it holds"
    assert (guardrail["state"], guardrail["broken_at"], later["decision"]) == ("broken", early.isoformat(), "stop")
    assert guardrail["words"].startswith(
        "guardrail on needless closings was found broken on 2026-03-05 12:00 UTC and stays so, stop at once"
    )
    before = reading.read(started, "warmer", as_of=early - timedelta(hours=1))
    assert before["guardrails"][0]["words"].startswith("guardrail on needless closings is broken"), "of its own data"
    assert [each.decision for each in experiments.readouts(started)] == ["stop", "stop"]


def test_a_reading_that_was_void_breaks_nothing(target: Path) -> None:
    void = reading.read(target, "tone", shares={"control": 0.9})
    assert void["decision"] == "invalid"
    stored = experiments.readouts(target)[-1].readout
    stored["guardrails"][0]["state"] = "broken"
    experiments.append_readout(target, "tone", datetime.now(UTC), stored)
    found = reading.read(target, "tone", shares={"control": 0.5})
    assert found["guardrails"][0]["state"] == "held"
