"""Experiments in the log, on both back ends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from warehouse import experiments

ARMS = ("control", "treatment")


def in_arm(arm: str, **changes: Any) -> dict[str, Any]:
    return {"experiment": "tone", "arm": arm, "policy": f"policy of {arm}", **changes}


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
        older._replace(arms=(older.arms[0]._replace(mature=1),))
    ]


def test_an_experiment_is_summed_by_user_filtered_and_raw(feed: Any, product: Any) -> None:
    feed.pour(*(product.served(name, **in_arm("treatment")) for name in ("r1", "r2")), product.reacted("r1"))
    feed.pour(product.served("r3", "bea", **in_arm("control")), product.reacted("r3", "bea", dwell_ms=1))
    feed.pour(product.served("r4", "cid", **in_arm("third")), product.served("r5"))
    target = feed.warehouse.target
    found = experiments.experiment_users(target, "tone", arms=ARMS)
    assert found.users.to_pylist() == [
        {"user_id": "ann", "arm": "treatment", "exposures": 2, "loves": 1},
        {"user_id": "bea", "arm": "control", "exposures": 1, "loves": 0},
    ]
    assert found.raw["loves"].to_pylist() == [1, 1]


def test_a_user_who_saw_two_arms_is_counted_and_in_neither(feed: Any, product: Any) -> None:
    late = product.noon + timedelta(days=9)
    feed.pour(product.served("r1", **in_arm("control")), product.served("r2", at=late, **in_arm("treatment")))
    feed.pour(product.served("r3", "bea", **in_arm("control")))
    found = experiments.experiment_users(feed.warehouse.target, "tone", arms=ARMS, as_of=late + timedelta(hours=1))
    assert found.in_several_arms == 1  # although the second arm's response is not mature yet
    assert found.users["user_id"].to_pylist() == ["bea"]
    before = experiments.experiment_users(feed.warehouse.target, "tone", arms=ARMS, as_of=late - timedelta(hours=1))
    assert (before.in_several_arms, before.users["user_id"].to_pylist()) == (0, ["ann", "bea"])


@pytest.mark.slow
def test_texts_are_judged_once_each_and_in_batches(feed: Any, product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "TEXTS_AT_ONCE", 2)
    feed.pour(
        *(
            product.served(f"r{n}", f"user-{n % 4}", response=f"answer {n % 5}", **in_arm(ARMS[n % 2]))
            for n in range(14)
        )
    )
    asked: list[str] = []

    def judge(conversation: list[dict[str, str]], response: str) -> bool:
        assert conversation == [{"role": "user", "content": "How do I grow roses?"}]
        asked.append(response)
        return response in ("answer 0", "answer 3")

    found = experiments.experiment_users(feed.warehouse.target, "tone", arms=ARMS, judges={"closings": judge}).users
    assert sorted(asked) == [f"answer {number}" for number in range(5)]
    truth = [sum(number % 5 in (0, 3) for number in range(user, 14, 4)) for user in range(4)]
    assert found["closings"].to_pylist() == truth
    assert sum(truth) == 6


def test_an_experiment_that_nobody_saw_has_no_users(feed: Any) -> None:
    found = experiments.experiment_users(feed.warehouse.target, "none", arms=ARMS, judges={"closings": lambda *_: True})
    assert (found.users.num_rows, found.in_several_arms) == (0, 0)
    assert found.users.column_names == ["user_id", "arm", "exposures", "loves", "closings"]


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
