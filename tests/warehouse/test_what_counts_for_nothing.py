"""What is stored and counted by no figure is told where people look, with the way out."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assets.cli import group
from warehouse import queries, training_set


@pytest.mark.slow
def test_reactions_are_counted_by_name_and_those_that_no_figure_counts_are_marked(feed: Any, product: Any) -> None:
    names = ["like"] * 3 + ["dislike"] * 2 + ["\U0001f499"] * 2 + ["stars-5"]
    feed.pour(*(product.reacted(f"r{n}", f"u{n}", reaction=name) for n, name in enumerate(names)))
    feed.pour(*(product.served(f"r{n}", f"u{n}") for n in range(len(names))))
    found = queries.counts(feed.warehouse.target)["reactions_by_name"]
    assert list(found.items()) == [("like", 3), ("dislike", 2), ("\U0001f499", 2), ("stars-5", 1)]
    told = CliRunner().invoke(group, ["warehouse", "status", "--warehouse", str(feed.warehouse.target)]).output
    assert "as said above" not in told
    lines = {line.split()[0]: line for line in told.splitlines() if line}
    assert "no figure counts" in lines["stars-5"]
    assert "no figure counts" not in lines["like"]
    assert "--map-reaction" in told


@pytest.mark.slow
def test_thumbs_alone_are_told_with_the_way_out_and_can_be_learnt_from(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(*(product.served(f"r{n}", f"u{n}") for n in range(50)))
    thumbs = ["like"] * 30 + ["dislike"] * 10 + ["clap"] * 2
    feed.pour(*(product.reacted(f"r{n}", f"u{n}", reaction=name) for n, name in enumerate(thumbs)))
    target = feed.warehouse.target
    with pytest.raises(training_set.TrainingSetError) as refused:
        training_set.build(target, tmp_path)
    for words in ("0 loves, 30 likes, 10 dislikes", "--positive like", "2 x clap", "--map-reaction"):
        assert words in str(refused.value)
    made = training_set.build(target, tmp_path, positive="like")
    assert (made.rows, made.positives, made.positive) == (50, 30, "like")
    assert queries.clean_feedback_summary(target, positive="like")["loves"] == 30
    assert queries.feedback_marks(target, positive="like")["love"].to_pylist().count(True) == 30
    assert queries.clean_feedback_summary(target)["loves"] == 0


@pytest.mark.slow
def test_one_person_s_likes_are_capped_as_loves_are_where_likes_are_the_positive(feed: Any, product: Any) -> None:
    feed.pour(*(product.served(f"r{n:02}", conversation_id=f"c{n}") for n in range(50)))
    feed.pour(*(product.reacted(f"r{n:02}", reaction="like", dwell_ms=90_000) for n in range(50)))
    weights = "SELECT DISTINCT trust FROM clean_feedback_at(now(), 24, positive := 'like') WHERE love"
    assert feed.ask(weights) == [(0.8,)]
    assert feed.ask("SELECT DISTINCT trust FROM clean_feedback") == [(1.0,)]


def test_loves_by_others_than_the_user_who_was_shown_the_response_are_counted(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", "ann"), product.reacted("r1", "Ann"), product.reacted("r1", "eve", reaction="like"))
    feed.pour(product.served("r2", "bob"), product.reacted("r2", "bob"), product.reacted("r3", "cem"))
    found = queries.counts(feed.warehouse.target)
    assert (found["not_shown"], found["not_shown_loves"], found["waiting"]) == (2, 1, 1)


@pytest.mark.slow
def test_responses_that_bear_the_id_of_another_one_are_counted_and_told(feed: Any, product: Any) -> None:
    for user in ("ann", "bea", "cem", "dov"):
        feed.pour(product.served("1", user), product.reacted("1", user))
    feed.pour(product.served("1", "ann"), product.served("2", "ann"))  # told again under a fresh event_id: no other one
    found = queries.counts(feed.warehouse.target)
    assert (found["ids_taken"], found["ids_taken_reactions"], found["not_shown"]) == (3, 3, 0)
    run = CliRunner().invoke(group, ["warehouse", "status", "--warehouse", str(feed.warehouse.target)])
    assert "warning: 3 responses bear the id of another one" in run.output
    assert "the reactions that count for nothing, as said above, are among them" in run.output
    assert "response_id=" in run.output
