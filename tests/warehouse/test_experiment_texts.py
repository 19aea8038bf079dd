"""What the arms of an experiment said, on both back ends."""

from datetime import timedelta
from typing import Any

import pytest

from warehouse.experiment_texts import arm_texts


def in_arm(arm: str, **changes: Any) -> dict[str, Any]:
    return {"experiment": "tone", "arm": arm, **changes}


def test_every_arm_has_its_texts_in_order_without_whoever_saw_two(feed: Any, product: Any) -> None:
    later = product.noon + timedelta(hours=1)
    feed.pour(
        product.served("r2", "bea", at=later, **in_arm("treatment", response="second")),
        product.served("r1", "ann", **in_arm("control", response="first")),
        product.served("r1", "ann", **in_arm("control", response="first")),
        product.served("r3", "cid", **in_arm("control")),
        product.served("r4", "cid", **in_arm("treatment")),
        product.served("r5", "dan", experiment="other", arm="control"),
    )
    found = arm_texts(feed.warehouse.target, "tone")
    assert {arm: (each.users, each.responses) for arm, each in found.items()} == {
        "control": (["ann"], ["first"]),
        "treatment": (["bea"], ["second"]),
    }
    assert found["control"].conversations[0].startswith("[{")
    assert {*arm_texts(feed.warehouse.target, "tone", as_of=product.noon)} == {"control"}


def test_of_a_large_arm_whole_users_are_read_and_the_same_ones_again(feed: Any, product: Any) -> None:
    names = [(f"r{user}-{place}", f"u{user}") for user in range(200) for place in range(2)]
    feed.pour(*(product.served(*name, **in_arm("control")) for name in names))
    found = arm_texts(feed.warehouse.target, "tone", most=100)["control"]
    assert 50 < len(found.users) < 160
    assert all(found.users.count(user) == 2 for user in {*found.users})
    assert arm_texts(feed.warehouse.target, "tone", most=100)["control"] == found


def test_an_experiment_that_nobody_served_is_told(feed: Any) -> None:
    with pytest.raises(ValueError, match=r"no response of an experiment 'tone'.*loveloop experiment list"):
        arm_texts(feed.warehouse.target, "tone")
