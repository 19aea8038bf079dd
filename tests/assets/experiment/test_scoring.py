"""Scores of an experiment's responses by a judge or a model, as a metric that a reading takes."""

import csv
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.experiment import scoring
from tests.assets.experiment.conftest import NOON, events, in_turn, loveloop, said, store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def rows(file: Path) -> dict[str, float]:
    with file.open(encoding="utf-8", newline="") as lines:
        return {
            row["user_id"]: float(row[next(each for each in row if each != "user_id")]) for row in csv.DictReader(lines)
        }


def words(_: Sequence[Any], responses: Sequence[str]) -> list[float]:
    return [float(len(each.split())) for each in responses]


def test_a_judges_verdicts_become_a_metric_that_the_reading_takes(started: Path) -> None:
    store(started, events(in_turn, range(40), closing={"control": 0.0, "treatment": 1.0}))
    out = started.with_name("closing.csv")
    page = said(loveloop("experiment", "score", "warmer", "--judge", "closing", "--out", out, warehouse=started))
    assert f"{out}: share_closing of each user, over 80 responses (80 scored just now)" in page
    assert rows(out) == {f"u{user}": float(user % 2) for user in range(40)}
    read = ("experiment", "read", "warmer", "--metric", f"share_closing={out}", "--json")
    facts = json.loads(said(loveloop(*read, warehouse=started)))
    assert any(each["name"] == "share_closing" for each in facts["metrics"])
    again = said(loveloop("experiment", "score", "warmer", "--judge", "closing", "--out", out, warehouse=started))
    assert "(0 scored just now)" in again


def test_what_was_interrupted_goes_on_where_it_was_and_what_came_since_is_scored(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 30)
    store(started, events(in_turn, range(40)))
    asked: list[str] = []

    def tired(conversations: Sequence[Any], responses: Sequence[str]) -> list[float]:
        if asked:
            raise KeyboardInterrupt
        asked.extend(responses)
        return words(conversations, responses)

    out = started.with_name("words.csv")
    with pytest.raises(KeyboardInterrupt):
        scoring.score(started, "warmer", scoring.MetricScorer("words", "1", tired), out)
    assert not out.exists()
    kept = out.with_name("words.csv.scores.ndjson")
    kept.write_text(kept.read_text() + '["cut o')
    made = scoring.score(started, "warmer", scoring.MetricScorer("words", "1", words), out)
    assert (made.responses, made.new) == (80, 50)
    store(started, events(in_turn, range(40, 50), begin=NOON + timedelta(hours=30)))
    made = scoring.score(started, "warmer", scoring.MetricScorer("words", "1", words), out)
    assert (made.responses, made.new, len(rows(out))) == (100, 20, 50)
    with pytest.raises(ValueError, match=r"holds scores of warmer by 1, must be of warmer by 2: scores of two models"):
        scoring.score(started, "warmer", scoring.MetricScorer("words", "2", words), out)


def test_nothing_is_scored_where_nothing_was_served_or_nobody_is_named(started: Path) -> None:
    with pytest.raises(ValueError, match="experiment 'warmer' has no exposure yet: there is nothing to score"):
        scoring.score(started, "warmer", scoring.MetricScorer("words", "1", words), started.with_name("words.csv"))
    done = loveloop("experiment", "score", "warmer", "--out", started.with_name("x.csv"), warehouse=started)
    assert (done.exit_code, "--model DIRECTORY or --judge NAME, one of them" in done.output) == (2, True)
