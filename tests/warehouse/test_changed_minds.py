"""A later thumb takes the place of an earlier one, by one rule for every figure."""

import random
from datetime import timedelta
from typing import Any

import pytest

from warehouse import training_set

MINUTE = timedelta(minutes=1)
STORIES = [  # what was added (or removed, with a minus) in this order, and what stands then: love, like, dislike
    ("like dislike", (0, 0, 1)),
    ("love dislike", (0, 0, 1)),
    ("dislike love", (1, 0, 0)),
    ("dislike like", (0, 1, 0)),
    ("love like", (1, 1, 0)),
    ("like love", (1, 1, 0)),
    ("love like dislike", (0, 0, 1)),
    ("like dislike -dislike", (0, 0, 0)),
    ("love dislike love", (1, 0, 0)),
    ("love dislike -love", (0, 0, 1)),
    ("like dislike like -like", (0, 0, 0)),
    ("love wow", (1, 0, 0)),
]


@pytest.mark.slow
def test_the_last_thumb_stands_in_whatever_order_they_come(feed: Any, product: Any) -> None:
    lines = []
    for number, (story, _) in enumerate(STORIES):
        name, user = f"r{number:02}", f"user-{number:02}"
        lines.append(product.served(name, user))
        for minute, word in enumerate(story.split(), 1):
            action = "removed" if word[0] == "-" else "added"
            at = product.noon + minute * MINUTE
            lines.append(product.reacted(name, user, at, reaction=word.lstrip("-"), action=action))
    random.Random(1).shuffle(lines)
    feed.pour(*lines)
    expected = [tuple(map(bool, stands)) for _, stands in STORIES]
    assert feed.ask('SELECT love, "like", dislike FROM clean_feedback ORDER BY response_id') == expected
    raw = feed.ask(
        """SELECT bool_or(reaction = 'love' AND action = 'added'), bool_or(reaction = 'like' AND action = 'added'),
        bool_or(reaction = 'dislike' AND action = 'added')
        FROM reaction_state GROUP BY response_id ORDER BY response_id"""
    )
    assert raw == expected


def test_a_love_that_became_a_dislike_is_no_positive_and_earns_no_credit(
    feed: Any, product: Any, tmp_path: Any
) -> None:
    feed.pour(product.served("r0"), product.served("r1", turn=1), product.reacted("r1", at=product.noon + MINUTE))
    feed.pour(product.reacted("r1", at=product.noon + 2 * MINUTE, reaction="dislike"))
    with pytest.raises(training_set.TrainingSetError, match="0 loves, 0 likes, 1 dislikes"):
        training_set.build(feed.warehouse.target, tmp_path, credit="conversation")


def test_somebody_else_s_thumb_and_one_in_quarantine_take_no_place(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"), product.reacted("r1", at=product.noon + MINUTE))
    feed.pour(product.reacted("r1", "eve", at=product.noon + 2 * MINUTE, reaction="dislike"))
    assert feed.ask("SELECT love, dislike FROM clean_feedback") == [(True, False)]
