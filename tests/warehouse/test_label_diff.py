from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from warehouse import training_set
from warehouse.label_diff import LabelDiff, diff, explain

HOUR = timedelta(hours=1)


class Sets:
    """Training sets of one warehouse, and what lies between two of them."""

    def __init__(self, feed: Any, out: Path) -> None:
        self.target, self.out = feed.warehouse.target, out

    def freeze(self, **options: Any) -> Path:
        return self.out / training_set.build(self.target, self.out, **options).hash[:12]

    def between(self, old: Path, new: Path) -> LabelDiff:
        manifests = [training_set.Manifest.read(each) for each in (old, new)]
        return explain(diff(*map(training_set.load, (old, new))), self.target, *manifests)


@pytest.fixture
def sets(feed: Any, product: Any, tmp_path: Path) -> Sets:
    feed.pour(*(product.served(f"r{n}", at=product.noon + timedelta(minutes=n)) for n in range(4)))
    feed.pour(product.reacted("r0"), product.served("b0", "bea"), product.reacted("b0", "bea"))
    return Sets(feed, tmp_path / "sets")


def reasons(found: LabelDiff) -> list[tuple[str, str, str]]:
    return [(each.response_id, each.kind, each.reason) for each in found.changes]


@pytest.mark.slow
def test_a_late_love_and_a_retraction_flip_labels_and_the_diff_says_so(feed: Any, product: Any, sets: Sets) -> None:
    soon, later = product.noon + 30 * HOUR, product.noon + 60 * HOUR
    old = sets.freeze(as_of=soon)
    feed.pour(product.reacted("r1", at=soon + HOUR), product.reacted("r0", at=soon + HOUR, action="removed"))
    found = sets.between(old, sets.freeze(as_of=later))
    assert reasons(found) == [("r0", "flipped", "retracted"), ("r1", "flipped", "late love")]
    assert found.counts() == {"flipped to loved": {"late love": 1}, "flipped to not loved": {"retracted": 1}}
    assert [(each.before, each.after) for each in found.changes] == [(1.0, 0.0), (0.0, 1.0)]


@pytest.mark.slow
def test_what_was_said_in_time_but_read_later_arrived_late(feed: Any, product: Any, sets: Sets) -> None:
    old = sets.freeze(as_of=product.noon + 30 * HOUR)
    feed.pour(product.reacted("r1", at=product.noon + HOUR), product.served("r9", at=product.noon + HOUR))
    found = sets.between(old, sets.freeze(as_of=product.noon + 30 * HOUR))
    assert reasons(found) == [("r1", "flipped", "arrived late"), ("r9", "added", "arrived late")]


@pytest.mark.slow
def test_rows_come_when_they_mature_and_go_with_a_quarantine_or_an_erasure(feed: Any, product: Any, sets: Sets) -> None:
    bot = [product.noon + timedelta(minutes=n) for n in range(14)]
    feed.pour(*(product.served(f"bot-{n}", "bot", at) for n, at in enumerate(bot)))
    old = sets.freeze(as_of=product.noon + 24 * HOUR + timedelta(minutes=2))
    assert training_set.Manifest.read(old).rows == 3 + 1 + 3
    feed.pour(*(product.reacted(f"bot-{n}", "bot", at) for n, at in enumerate(bot)))
    feed.pour(product.erasure("bea", product.noon + HOUR))
    found = sets.between(old, sets.freeze(as_of=product.noon + 30 * HOUR))
    assert found.counts() == {"added": {"matured": 1}, "removed": {"quarantined": 3, "erased": 1}}


@pytest.mark.slow
def test_another_rule_of_credit_is_a_reason_of_its_own(sets: Sets, feed: Any, product: Any) -> None:
    feed.pour(product.served("r5", turn=1, at=product.noon + HOUR), product.reacted("r5", at=product.noon + HOUR))
    found = sets.between(sets.freeze(), sets.freeze(credit="decay"))
    assert {each[1:] for each in reasons(found)} == {("flipped", "credit rule")}
    assert {(each.before, each.after) for each in found.changes} == {(0.0, 0.5)}


def test_two_sets_of_the_same_rows_differ_in_nothing(sets: Sets) -> None:
    same = sets.freeze()
    found = sets.between(same, same)
    assert (found.old, found.new, found.changes) == (5, 5, [])
    assert found.as_dict() == {"old_rows": 5, "new_rows": 5, "counts": {}, "changes": []}
