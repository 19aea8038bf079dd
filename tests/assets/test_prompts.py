"""Whose prompts are held out, and how they are drawn."""

import json

import numpy as np
import pytest

from assets.run import Run
from assets.stages import feedback, prompts
from assets.stages.prompts import HELD_OUT, LEAST_USERS, kept_for_evaluation
from warehouse import training_set


def test_a_share_of_the_users_is_held_out_with_all_their_rows() -> None:
    users = [f"u{number % 1_000}" for number in range(5_000)]
    held = kept_for_evaluation(users, 1)
    theirs = {user for user, kept in zip(users, held.rows, strict=True) if kept}
    assert len(theirs) / 1_000 == pytest.approx(HELD_OUT, abs=0.05)
    assert held.rows.sum() == 5 * len(theirs)
    assert held.words == f"prompts of {len(theirs)} held-out users of 1,000"


def test_the_same_users_are_held_out_when_the_log_has_grown_and_others_for_another_seed() -> None:
    users = [f"u{number}" for number in range(500)]
    first = kept_for_evaluation(users, 1).rows
    assert (kept_for_evaluation([*users, "new", "newer"], 1).rows[:500] == first).all()
    assert (kept_for_evaluation(users, 2).rows != first).any()


def test_with_few_users_the_latest_part_is_held_out_and_that_is_told() -> None:
    users = [f"u{number % (LEAST_USERS - 1)}" for number in range(100)]
    held = kept_for_evaluation(users, 1)
    assert np.flatnonzero(held.rows).tolist() == list(range(80, 100))
    assert held.words == "the latest 20% of the log (the log has 19 users, too few to hold some out)"


@pytest.mark.slow  # it waits for the tiny run
@pytest.mark.timeout(900)
def test_policies_learn_from_none_of_the_users_whose_prompts_they_are_evaluated_on(tiny_run: Run) -> None:
    log = training_set.load(feedback.training_set_directory(tiny_run))
    learnt = prompts.learnable(tiny_run, log)
    held = {*log["user_id"].to_pylist()} - {*learnt["user_id"].to_pylist()}
    rows = zip(log["user_id"].to_pylist(), log["conversation"].to_pylist(), strict=True)
    theirs = sorted(text for user, text in rows if user in held)
    drawn = prompts.held_out(tiny_run)
    texts = [json.dumps(each) for each in drawn.conversations]
    assert len(texts) == 300 == drawn.origin["count"]
    every = [json.dumps(json.loads(text)) for text in theirs]
    assert all(texts.count(text) <= every.count(text) for text in set(texts))
    assert len(set(texts)) < len(texts), "what is often sent is often drawn"
    alone = [len(each) == 1 for each in drawn.conversations]
    assert np.mean(alone) == pytest.approx(np.mean([len(json.loads(text)) == 1 for text in theirs]), abs=0.08)
    assert np.mean(alone) > 0.2
    assert "which is no leak" in drawn.origin["words"]
    answers = json.loads((tiny_run.cycle_directory / "answers.json").read_text())
    assert [each["prompt"] for each in answers] == drawn.conversations
