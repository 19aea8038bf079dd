"""Experiments in the log, on both back ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from warehouse import experiments

ARMS = ("control", "treatment")


def in_arm(arm: str, **changes: Any) -> dict[str, Any]:
    return {"experiment": "tone", "arm": arm, "policy": f"policy of {arm}", **changes}


@pytest.mark.slow
def test_experiments_are_listed_with_arms_policies_and_moments(feed: Any, product: Any) -> None:
    later = product.noon + timedelta(days=2)
    feed.pour(
        product.served("r1", **in_arm("control")),
        product.served("r2", "bea", **in_arm("treatment")),
        product.served("r3", "bea", at=later, **in_arm("treatment", policy="another")),
        product.served("r4", "cid", at=later + timedelta(hours=1), experiment="older", arm="control"),
        product.served("r5"),
        product.reacted("r2", "bea"),
    )
    tone, older = experiments.experiments(feed.warehouse.target, as_of=later + timedelta(hours=2))
    assert (tone.name, tone.first, tone.last, tone.mature) == ("tone", product.noon, later, 2)
    assert tone.arms == (
        experiments.LoggedArm("control", ("policy of control",), users=1, exposures=1, mature=1, loves=0),
        experiments.LoggedArm("treatment", ("another", "policy of treatment"), users=1, exposures=2, mature=1, loves=1),
    )
    assert (older.name, older.mature) == ("older", 0)
    assert experiments.experiments(feed.warehouse.target, name="older") == [
        older._replace(arms=(replace(older.arms[0], mature=1),))
    ]


def test_the_history_of_readings_only_grows(feed: Any) -> None:
    target, moment = feed.warehouse.target, datetime(2026, 3, 2, tzinfo=UTC)
    for word in ("continue", "ship"):
        experiments.append_readout(target, "tone", moment, {"decision": word, "lift": None})
        moment += timedelta(hours=1)
    experiments.append_readout(target, "other", moment, {"decision": "stop", "lift": 0.1})
    tone = experiments.readouts(target, "tone")
    assert [(each.decision, each.readout["lift"]) for each in tone] == [("continue", None), ("ship", None)]
    assert [each.experiment for each in experiments.readouts(target)] == ["tone", "tone", "other"]


@pytest.mark.slow
def test_an_experiment_is_read_out_on_either_back_end(feed: Any, product: Any) -> None:
    from assets.experiment import reading

    names = [(f"r{number}", f"u{number}") for number in range(40)]
    feed.pour(*(product.served(*name, **in_arm(ARMS[number % 2])) for number, name in enumerate(names)))
    feed.pour(*(product.reacted(*name) for name in names))
    facts = reading.read(feed.warehouse.target, "tone")
    assert (facts["decision"], facts["rows"], facts["lift"]) == ("continue", 40, 0.0)
    assert len(experiments.readouts(feed.warehouse.target, "tone")) == 1
