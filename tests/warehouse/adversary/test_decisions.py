import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from warehouse import connection, erasure
from warehouse.adversary import decisions, explain, online
from warehouse.adversary.decisions import UnknownSubjectError, decide

DAY = timedelta(days=1)


@pytest.fixture
def on_file(empty: Path, tmp_path: Path, feed_on: Any) -> Any:
    """A feed for what does not depend on the back end."""
    return feed_on(connection.open(Path(shutil.copy(empty, tmp_path / "w.duckdb"))))


def spree(product: Any, user: str, start: timedelta = timedelta(), count: int = 12) -> list[bytes]:
    """Loves everything that they are shown, once an hour."""
    lines = []
    for n in range(count):
        at = product.noon + start + n * timedelta(minutes=55)
        name = f"{user} {start.days} {n}"
        lines.append(product.served(name, user, at, response=f"{product.text} {n}"))
        lines.append(product.reacted(name, user, at + timedelta(seconds=9), dwell_ms=9_000 + n))
    return lines


def decided(feed: Any, name: str, word: Any) -> decisions.QuarantineDecision:
    return decide(feed.warehouse.target, name, word, reason="we know them", by="olga")


def loved_by(feed: Any, user: str) -> int:
    query = "SELECT count(*) FROM clean_feedback_at(now(), 0) WHERE love AND user_id = ?"
    return int(feed.ask(query, user)[0][0])


@pytest.mark.slow
def test_a_released_user_counts_again_and_the_release_survives_every_later_judgement(feed: Any, product: Any) -> None:
    feed.pour(*spree(product, "ann"))
    assert loved_by(feed, "ann") == 0
    decided(feed, "ann", "released")
    assert loved_by(feed, "ann") == 12
    feed.pour(*spree(product, "ann", DAY))  # flagged once more
    with feed.warehouse.transaction() as writer:
        online.flag_all(writer)
    assert feed.ask("SELECT count(*) FROM flags WHERE user_id = 'ann'") == [(2,)]
    assert loved_by(feed, "ann") == 24
    feed.warehouse.migrate()
    decided(feed, "ann", "confirmed")
    assert loved_by(feed, "ann") == 0


@pytest.mark.slow
def test_a_release_survives_flags_of_the_daily_job_too_and_gives_back_full_trust(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"), product.reacted("r1", dwell_ms=9_000))
    with feed.warehouse.transaction() as writer:
        writer.execute("INSERT INTO user_trust VALUES ('ann', 0.25, DATE '2026-03-01', '{}')")
    assert feed.ask("SELECT love, trust FROM clean_feedback") == [(True, 0.25)]
    with feed.warehouse.transaction() as writer:
        writer.execute(
            """INSERT INTO flags (source, rule, rule_version, subject, user_id, score, evidence, flagged_at)
            VALUES ('periodic', 'lockstep', 1, 'user', 'ann', 1.5, '{}', now())"""
        )
    assert feed.ask("SELECT * FROM clean_feedback") == []
    decided(feed, "ann", "released")
    assert feed.ask("SELECT love, trust FROM clean_feedback") == [(True, 1.0)]


@pytest.mark.slow
def test_one_reaction_is_released_by_its_event_id_and_the_others_stay_out(on_file: Any, product: Any) -> None:
    lines = [product.served(f"r{n}") for n in range(2)] + [product.reacted(f"r{n}", dwell_ms=20) for n in range(2)]
    on_file.pour(*lines)
    [(event_id,)] = on_file.ask("SELECT CAST(event_id AS VARCHAR) FROM reactions WHERE response_id = 'r1'")
    made = decided(on_file, event_id, "released")
    assert (made.subject.user_id, made.subject.kind) == ("ann", "reaction")
    assert on_file.ask("SELECT response_id, love FROM clean_feedback ORDER BY 1") == [("r0", False), ("r1", True)]
    decided(on_file, "ann", "released")  # the user: single reactions stay as they are
    assert on_file.ask("SELECT response_id, love FROM clean_feedback ORDER BY 1") == [("r0", False), ("r1", True)]


@pytest.mark.slow
def test_whom_no_rule_names_is_left_out_wholly_when_confirmed(on_file: Any, product: Any) -> None:
    on_file.pour(product.served("r1"), product.served("r2", "bea"), product.reacted("r2", "bea", dwell_ms=9_000))
    decided(on_file, "ann", "confirmed")
    [(event_id,)] = on_file.ask("SELECT CAST(event_id AS VARCHAR) FROM reactions")
    decided(on_file, event_id, "confirmed")
    assert on_file.ask("SELECT user_id, love FROM clean_feedback") == [("bea", False)]
    assert on_file.ask("SELECT user_id, rules, since FROM quarantined_users") == [("ann", ["confirmed"], None)]


def test_a_confirmed_user_keeps_what_lies_before_the_flags_name_them(on_file: Any, product: Any) -> None:
    old = product.noon - 20 * DAY
    on_file.pour(product.served("old", at=old), *spree(product, "ann"))
    made = decided(on_file, "ann", "confirmed")
    assert made.since == product.noon.replace(hour=0) - 7 * DAY
    with on_file.warehouse.transaction() as writer:
        writer.execute("DELETE FROM flags")
    assert on_file.ask("SELECT response_id FROM clean_feedback") == [("old",)]


@pytest.mark.slow
def test_the_list_of_the_released_says_when_there_is_more_against_them(on_file: Any, product: Any) -> None:
    on_file.pour(*spree(product, "ann"), *spree(product, "bea"))
    for user in ("ann", "bea"):
        decided(on_file, user, "released")
    on_file.pour(*spree(product, "bea", DAY))
    found = explain.held(on_file.warehouse.target, released=True)
    assert [(each.user_id, each.loves, each.grown) for each in found] == [("bea", 24, True), ("ann", 12, False)]
    assert explain.held(on_file.warehouse.target) == []


def test_nobody_is_decided_on_who_is_not_there_or_without_a_reason(on_file: Any, product: Any) -> None:
    on_file.pour(product.served("r1"))
    with pytest.raises(UnknownSubjectError, match="no user and no reaction 'zoe'; `loveloop quarantine list`"):
        decided(on_file, "zoe", "released")
    with pytest.raises(ValueError, match="the reason is empty"):
        decide(on_file.warehouse.target, "ann", "released", reason=" ", by="olga")
    assert on_file.ask("SELECT * FROM quarantine_decisions") == []


@pytest.mark.slow
def test_an_erasure_takes_along_what_was_decided_and_found_about_the_user(feed: Any, product: Any) -> None:
    feed.pour(*spree(product, "ann"), *spree(product, "bea"))
    for user in ("ann", "bea"):
        decided(feed, user, "confirmed")
    with feed.warehouse.transaction() as writer:
        writer.execute(
            """INSERT INTO flags (source, rule, rule_version, subject, user_id, score, evidence, flagged_at)
            SELECT 'periodic', 'lockstep', 1, 'user', unnest(['ann', 'bea']), 1.5, '{}', now()"""
        )
        writer.execute("INSERT INTO user_trust SELECT unnest(['ann', 'bea']), 0.25, DATE '2026-03-01', '{}'")
        writer.execute("INSERT INTO group_members SELECT DATE '2026-03-01', 'lockstep', 'g', unnest(['ann', 'bea'])")
    feed.pour(product.erasure("ann", product.noon + DAY))
    for table in ("quarantine_decisions", "flags", "user_trust", "group_members", "responses", "reactions"):
        assert feed.ask(f"SELECT DISTINCT user_id FROM {table}") == [("bea",)], table


@pytest.mark.slow
def test_an_erasure_that_another_warehouse_knew_of_takes_decisions_along(on_file: Any, product: Any) -> None:
    from warehouse.ingest.erased_rows import Limit, user_hash

    on_file.pour(*spree(product, "ann"))
    decided(on_file, "ann", "confirmed")
    erasure.adopt(on_file.warehouse.target, {user_hash("ann"): Limit(product.noon + 9 * DAY)})
    erasure.forget_pending(on_file.warehouse.target)
    assert on_file.ask("SELECT * FROM quarantine_decisions") == []


@pytest.mark.slow
def test_an_explanation_holds_flags_in_words_figures_decisions_and_the_rest_of_a_group(
    on_file: Any, product: Any
) -> None:
    crowd = [
        line
        for n in range(6)
        for line in (
            product.served(f"r{n}", f"user-{n}"),
            product.reacted(f"r{n}", f"user-{n}", device_id="kiosk", dwell_ms=9_000),
        )
    ]
    on_file.pour(*crowd)
    decided(on_file, "user-0", "released")
    found = explain.explain(on_file.warehouse.target, "user-0")
    assert found.state == "released"
    assert [flag.words for flag in found.flags] == ["one of 6 users who gave loves from that device on one day"]
    assert found.figures["responses loved"] == (1, 1)
    assert found.groups == {"kiosk": ([f"user-{n}" for n in range(1, 6)], 5)}
    assert [made.reason for made in found.decisions] == ["we know them"]
    assert explain.explain(on_file.warehouse.target, "user-1").state == "in quarantine"
