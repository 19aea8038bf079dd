"""The sums of experiments by user equal their definition over the log, whatever comes in whatever order."""

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from streams.events import Message
from warehouse import erasure, redrive
from warehouse.ingest.erased_rows import user_hash
from warehouse.rollup import sums
from warehouse.transfer import importing, undo

BYE = "Water them. Take care, bye!"


def under(arm: str, **changes: Any) -> dict[str, Any]:
    return {"experiment": "tone", "arm": arm, **changes}


def rows(feed: Any) -> list[tuple[Any, ...]]:
    """(arm, user, exposures, closings, loves, hour of the first love) of each row; the table equals its definition."""
    assert feed.ask("SELECT count(*) FROM experiment_backlog") == [(0,)]
    kept = feed.ask("SELECT * FROM experiment_users ORDER BY ALL")
    assert kept == feed.ask("SELECT * FROM experiment_users_defined ORDER BY ALL")
    return [(arm, user, *counts, at and at.hour) for _, arm, user, _, _, _, *counts, at in kept]


@pytest.mark.slow
def test_what_a_user_was_shown_said_goodbye_by_and_loved_is_summed(feed: Any, product: Any) -> None:
    feed.pour(
        product.served("r1", **under("warm", response=BYE)),
        product.served("r2", **under("warm", response=BYE, conversation=[Message("user", "Good night!")])),
        product.served("r3", "bea", **under("plain")),
        product.served("r4", "bea"),
    )
    feed.pour(product.reacted("r1", at=product.noon + timedelta(hours=2)), product.reacted("r4", "bea"))
    assert rows(feed) == [("plain", "bea", 1, 0, 0, None), ("warm", "ann", 2, 1, 1, 14)]
    moments = feed.ask("SELECT first_exposure_at, last_exposure_at FROM experiment_users WHERE user_id = 'ann'")
    assert moments == [(product.noon, product.noon)]


def test_a_log_without_experiments_leaves_no_row(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"), product.reacted("r1"))
    assert rows(feed) == []


@pytest.mark.slow
def test_a_love_before_its_response_a_copy_and_another_users_love(feed: Any, product: Any) -> None:
    love, line = product.reacted("r1"), product.served("r1", **under("warm"))
    feed.pour(love)
    feed.pour(product.served("r0", "bea", **under("warm")))
    feed.pour(line, love)
    feed.pour(line, product.reacted("r1", "bea"))
    assert rows(feed) == [("warm", "ann", 1, 0, 1, 12), ("warm", "bea", 1, 0, 0, None)]


@pytest.mark.slow
def test_a_love_taken_back_or_replaced_stands_no_longer_and_is_still_the_first(feed: Any, product: Any) -> None:
    hour = timedelta(hours=1)
    feed.pour(*(product.served(f"r{n}", f"u{n}", **under("warm")) for n in range(4)))
    feed.pour(*(product.reacted(f"r{n}", f"u{n}", product.noon + hour) for n in range(4)))
    feed.pour(product.reacted("r0", "u0", product.noon + 2 * hour, action="removed"))
    feed.pour(product.reacted("r1", "u1", product.noon + 2 * hour, reaction="dislike"))
    feed.pour(product.reacted("r2", "u2", product.noon, reaction="dislike"))
    feed.pour(product.reacted("r3", "u3", product.noon, action="removed"))
    assert [(user, loves, first) for _, user, _, _, loves, first in rows(feed)] == [
        ("u0", 0, 13),
        ("u1", 0, 13),
        ("u2", 1, 13),
        ("u3", 1, 13),
    ]


@pytest.mark.slow
def test_a_love_told_again_does_not_bring_back_what_was_taken_away(feed: Any, product: Any) -> None:
    later = [product.noon + timedelta(minutes=n) for n in range(3)]
    feed.pour(product.served("r1", **under("warm")), product.reacted("r1", at=later[0], dwell_ms=9_000))
    feed.pour(product.reacted("r1", at=later[1], action="removed"))
    feed.pour(product.reacted("r1", at=later[2], dwell_ms=9_000))
    assert rows(feed) == [("warm", "ann", 1, 0, 0, 12)]


@pytest.mark.slow
def test_the_first_telling_of_an_id_counts_though_it_comes_last(feed: Any, product: Any) -> None:
    second, third = (product.noon + timedelta(hours=n) for n in (1, 2))
    feed.pour(product.served("r1", "bea", second, **under("plain", response=BYE)), product.reacted("r1", "bea", third))
    assert rows(feed) == [("plain", "bea", 1, 1, 1, 14)]
    feed.pour(product.served("r1", "ann", **under("warm")))
    assert rows(feed) == [("warm", "ann", 1, 0, 0, None)]
    feed.pour(product.served("r1", "cid", third, **under("warm")), product.reacted("r1"))
    assert rows(feed) == [("warm", "ann", 1, 0, 1, 12)]


@pytest.mark.slow
def test_an_erased_users_row_goes_is_told_of_and_frees_the_id(feed: Any, product: Any) -> None:
    later = product.noon + timedelta(hours=1)
    feed.pour(product.served("r1", **under("warm", response=BYE)), product.served("r1", "bea", later, **under("plain")))
    feed.pour(product.served("r2", at=later, **under("plain")))
    feed.pour(product.erasure("ann", product.noon + timedelta(minutes=30)))
    left = rows(feed)
    assert ("plain", "bea", 1, 0, 0, None) in left
    assert all(arm != "warm" for arm, *_ in left)
    told = erasure.effects(feed.warehouse.target, user_hash("ann")).rows
    assert told["experiment_users"] == 1 + (len(left) == 1)
    assert feed.ask("SELECT count(*) FROM experiment_closings") == [(0,)]


def test_a_request_by_hand_takes_the_row_away(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1", **under("warm")), product.served("r2", "bea", **under("warm")))
    erasure.request(feed.warehouse.target, "ann")
    assert [user for _, user, *_ in rows(feed)] == ["bea"]


@pytest.mark.slow
def test_an_import_that_is_taken_back_leaves_the_sums_as_they_were(feed: Any, product: Any, tmp_path: Path) -> None:
    feed.pour(product.served("r1", "bea", product.noon + timedelta(hours=1), **under("plain")))
    before = rows(feed)
    path = tmp_path / "more.ndjson"
    lines = [product.served("r1", **under("warm")), product.served("r2", "bea", **under("plain", response=BYE))]
    path.write_bytes(b"\n".join([*lines, product.reacted("r1"), product.reacted("r2", "bea")]))
    importing.import_files(feed.warehouse.target, [path], None, progress=False)
    assert [row[:2] for row in rows(feed)] == [("plain", "bea"), ("warm", "ann")]
    undo.undo(feed.warehouse.target, str(path))
    assert rows(feed) == before
    assert feed.ask("SELECT count(*) FROM experiment_closings") == [(0,)]


@pytest.mark.slow
def test_a_dead_letter_that_is_found_good_is_summed(feed: Any, product: Any) -> None:
    line = product.served("r1", **under("warm", response=BYE))
    feed.pour(line.replace(b'"policy":"incumbent"', b'"policy":null'), product.reacted("r1"))
    assert rows(feed) == []
    assert redrive.redrive(feed.warehouse.target, values={"policy": "incumbent"}).outcomes == {"stored": 1}
    assert rows(feed) == [("warm", "ann", 1, 1, 1, 12)]


def story(product: Any, seed: int, ids: int = 9) -> list[bytes]:
    """Few users, and few ids or many: everything meets everything, or little happens to a user but exposures."""
    draw = random.Random(seed)
    lines = []
    for _ in range(60):
        user, name = draw.choice(["ann", "bea", "cid"]), f"r{draw.randrange(ids)}"
        at = product.noon + timedelta(minutes=draw.randrange(5_000))
        act = draw.random()
        if act < 0.45:
            test = draw.choice([{}, under("warm"), under("plain"), {"experiment": "length", "arm": "warm"}])
            lines.append(product.served(name, user, at, response=draw.choice([BYE, product.text]), **test))
        elif act < 0.97:
            said: dict[str, Any] = {"reaction": draw.choice(["love", "love", "dislike", "like"])}
            said |= {"action": draw.choice(["added", "added", "removed"]), "dwell_ms": draw.choice([None, 5, 9_000])}
            lines.append(product.reacted(name, user, at, **said))
        else:
            lines.append(product.erasure(user, at))
    return lines


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "ids"), [(0, 9), (1, 9), (2, 60), (3, 10_000)])
def test_the_sums_equal_their_definition_after_every_batch_of_any_story(
    seed: int, ids: int, feed: Any, product: Any
) -> None:
    lines = story(product, seed, ids)
    draw = random.Random(seed)
    while lines:
        taken, lines = lines[:12], lines[12:]
        feed.pour(*taken, *draw.sample(taken, len(taken) // 3), partition=draw.randrange(3))
        rows(feed)


@pytest.mark.slow
def test_users_of_a_long_log_wait_in_the_backlog_until_they_pay_for_a_fold(
    feed: Any, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "FOLD", 2)
    feed.pour(*(product.served(f"old{n}") for n in range(10)))
    feed.pour(*(product.served(f"r{n}", f"u{n}", **under("warm")) for n in range(5)))
    assert feed.ask("SELECT count(*) FROM experiment_backlog") == [(5,)]
    assert feed.ask("SELECT count(*) FROM experiment_users") == [(0,)]
    feed.pour(*(product.served(f"r{n}", f"u{n}", **under("warm")) for n in range(5, 9)), product.reacted("r1", "u1"))
    assert len(rows(feed)) == 9


def test_an_erasure_folds_no_more_than_it_concerns(feed: Any, product: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "FOLD", 0)
    feed.pour(*(product.served(f"r{n}", f"u{n}", **under("warm")) for n in range(5)))
    feed.pour(product.erasure("u1"))
    assert feed.ask("SELECT user_id FROM experiment_backlog ORDER BY ALL") == [("u0",), ("u2",), ("u3",), ("u4",)]
    assert feed.ask("SELECT * FROM experiment_users") == []


@pytest.mark.slow
def test_a_warehouse_that_is_older_than_the_sums_fills_them_from_its_log(feed: Any, product: Any) -> None:
    feed.pour(*story(product, 5))
    kept = rows(feed)
    with feed.warehouse.transaction() as writer:
        for table in ("experiment_users", "experiment_closings", "experiment_backlog"):
            writer.execute(f"DELETE FROM {table}")
    feed.warehouse.migrate()
    assert rows(feed) == kept
    assert kept


def test_a_batch_without_an_experiment_asks_two_small_questions(product: Any) -> None:
    asked: list[str] = []

    class Nothing:
        def execute(self, query: str) -> Any:
            asked.append(query)
            return self

        def fetchone(self) -> None:
            return None

    plain = pa.table({"experiment": pa.nulls(2, pa.string())})
    sums.update(Nothing(), {"responses": plain, "reactions": plain}, {})  # type: ignore[arg-type]
    assert len(asked) == 2
    assert all("LIMIT 1" in query for query in asked)
