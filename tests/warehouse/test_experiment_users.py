"""What each user saw and loved in an experiment, on both back ends: the rollup's answer is the log's own."""

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.events import Message
from warehouse.adversary import decisions
from warehouse.experiment_users import experiment_users
from warehouse.rollup import sums

ARMS = ("control", "treatment")
BYE = "Water them. Take care, bye!"
DAY = timedelta(days=1)


def under(arm: str, **changes: Any) -> dict[str, Any]:
    return {"experiment": "tone", "arm": arm, **changes}


def counts(table: Any) -> list[tuple[Any, ...]]:
    columns = (table[name].to_pylist() for name in ("user_id", "arm", "exposures", "loves"))
    return list(zip(*columns, strict=True))


@pytest.mark.slow
def test_an_experiment_is_summed_by_user_filtered_and_raw(feed: Any, product: Any) -> None:
    later = product.noon + DAY
    feed.pour(
        product.served("r1", **under("treatment", response=BYE)), product.served("r2", at=later, **under("treatment"))
    )
    feed.pour(product.reacted("r1", at=later))
    feed.pour(product.served("r3", "bea", **under("control")), product.reacted("r3", "bea", dwell_ms=1))
    feed.pour(product.served("r4", "cid", **under("third")), product.served("r5"))
    found = experiment_users(feed.warehouse.target, "tone", arms=ARMS)
    ann = {"user_id": "ann", "arm": "treatment", "exposures": 2, "loves": 1, "closings": 1, "returned": 1}
    bea = {"user_id": "bea", "arm": "control", "exposures": 1, "loves": 0, "closings": 0, "returned": 0}
    ann |= {"first_exposure": product.noon, "first_love": later}
    bea |= {"first_exposure": product.noon, "first_love": None}
    assert found.users.to_pylist() == [ann, bea]
    assert found.raw.to_pylist() == [ann, bea | {"loves": 1, "first_love": product.noon}]
    assert (found.in_several_arms, found.quarantined) == (0, 0)


@pytest.mark.slow
def test_a_user_who_saw_two_arms_is_counted_and_in_neither(feed: Any, product: Any) -> None:
    late = product.noon + 9 * DAY
    feed.pour(product.served("r1", **under("control")), product.served("r2", at=late, **under("treatment")))
    feed.pour(product.served("r3", "bea", **under("control")))
    target, hour = feed.warehouse.target, timedelta(hours=1)
    found = experiment_users(target, "tone", arms=ARMS, as_of=late + hour)
    assert found.in_several_arms == 1, "although the second arm's response is not mature yet"
    assert found.users["user_id"].to_pylist() == ["bea"]
    before = experiment_users(target, "tone", arms=ARMS, as_of=late - hour)
    assert (before.in_several_arms, before.users["user_id"].to_pylist()) == (0, ["ann", "bea"])
    now = experiment_users(target, "tone", arms=ARMS)
    assert (now.in_several_arms, now.raw["user_id"].to_pylist()) == (1, ["bea"])


def test_an_experiment_that_nobody_saw_has_no_users(feed: Any) -> None:
    found = experiment_users(feed.warehouse.target, "none", arms=ARMS, history_days=7)
    assert (found.users.num_rows, found.raw.num_rows, found.in_several_arms, found.quarantined) == (0, 0, 0, 0)
    assert {*found.raw.column_names} == {*found.users.column_names} >= {"past_exposures", "past_loves"}


@pytest.mark.slow
def test_a_quarantined_user_is_left_out_from_their_moment_on_and_counted(feed: Any, product: Any) -> None:
    feed.pour(*(product.served(f"r{n}", at=product.noon + n * DAY, **under("control")) for n in range(4)))
    feed.pour(*(product.served(f"b{n}", "bea", **under("treatment")) for n in range(2)), product.reacted("b0", "bea"))
    target = feed.warehouse.target
    confirmed(feed, "ann", product.noon + 2 * DAY, product.noon)
    confirmed(feed, "bea", None, product.noon)
    found = experiment_users(target, "tone", arms=ARMS)
    assert (counts(found.users), found.quarantined) == ([("ann", "control", 2, 0)], 2)
    assert counts(found.raw) == [("ann", "control", 4, 0), ("bea", "treatment", 2, 1)]
    decisions.decide(target, "bea", "released", reason="a fan", by="me")
    again = experiment_users(target, "tone", arms=ARMS)
    assert (counts(again.users)[1], again.quarantined) == (("bea", "treatment", 2, 1), 1)


def test_the_past_is_all_traffic_before_the_first_exposure(feed: Any, product: Any) -> None:
    at = [product.noon + (n - 30) * DAY for n in range(40)]
    feed.pour(
        *(product.served(f"p{n}", at=at[n]) for n in (0, 25, 28)),
        product.reacted("p0", at=at[1]),
        product.reacted("p25", at=at[26]),
        product.reacted("p25", at=at[27], action="removed"),
        product.reacted("p28", at=at[31]),
        product.served("r1", at=at[30], **under("control")),
        product.reacted("r1", at=at[30]),
        product.served("r2", "bea", at=at[30], **under("control")),
    )
    found = experiment_users(feed.warehouse.target, "tone", arms=ARMS, history_days=7).users
    past = [found[name].to_pylist() for name in ("user_id", "past_exposures", "past_loves", "loves")]
    assert past == [["ann", "bea"], [2, 0], [1, 0], [1, 0]]
    longer = experiment_users(feed.warehouse.target, "tone", arms=ARMS, history_days=30).users
    assert (longer["past_exposures"].to_pylist(), longer["past_loves"].to_pylist()) == ([3, 0], [2, 0])


@pytest.mark.parametrize("days", [-1, float("nan"), 10_000])
def test_a_history_that_is_none_is_refused(days: Any, feed: Any) -> None:
    with pytest.raises(ValueError, match=r"history_days == .*, must be from 0 \(no history\) to 3,650 days"):
        experiment_users(feed.warehouse.target, "tone", arms=ARMS, history_days=days)


def story(product: Any, ids: int, seed: int = 1) -> list[bytes]:
    """A week of many users with hasty and copied loves, retractions, dislikes and ids that were used twice."""
    draw = random.Random(seed)
    lines = []
    for _ in range(220):
        number = draw.randrange(25)
        user = f"u{number}"
        name, at = f"r{draw.randrange(ids)}", product.noon + timedelta(minutes=draw.randrange(10_000))
        arm = ARMS[number % 2] if draw.random() < 0.95 else draw.choice([*ARMS, "third"])
        talk = [Message("user", draw.choice(["Roses?", "Good night!"]))]
        lines.append(
            product.served(name, user, at, **under(arm, conversation=talk, response=draw.choice([BYE, "Yes."])))
        )
        for _ in range(draw.randrange(4)):
            at += timedelta(seconds=draw.choice([1, 30, 4_000, 90_000]))
            said = {
                "reaction": draw.choice(["love", "love", "love", "dislike"]),
                "dwell_ms": draw.choice([None, 5, 9_000]),
            }
            said["action"] = draw.choice(["added", "added", "removed"])
            lines.append(product.reacted(name, draw.choice([user, user, user, "u3"]), at, **said))
    draw.shuffle(lines)
    return lines


def confirmed(feed: Any, user: str, since: datetime | None, at: datetime) -> None:
    with feed.warehouse.transaction() as writer:
        writer.execute(
            """INSERT INTO quarantine_decisions (subject, user_id, since, decided_at, decision, reason, decided_by)
            VALUES ('user', ?, ?, ?, 'confirmed', 'seen', 'me')""",
            [user, since, at],
        )


def of_the_log(feed: Any, moment: datetime, hours: float) -> tuple[list[Any], int]:
    """The rows of the users by the views alone, and how many were in several arms."""
    mixed = {
        user
        for (user,) in feed.ask(
            """SELECT user_id FROM served WHERE experiment = 'tone' AND served_at <= ?
            GROUP BY user_id HAVING count(DISTINCT arm) > 1""",
            moment,
        )
    }
    rows = feed.ask(
        """SELECT user_id, arm, min(served_at), count(*), count(*) FILTER (love),
            count(*) FILTER (event_id IN (FROM experiment_closings)),
            CAST(CAST(max(served_at) AS DATE) > CAST(min(served_at) AS DATE) AS BIGINT)
        FROM clean_feedback_at(CAST($1 AS TIMESTAMPTZ), $2)
        WHERE experiment = 'tone' AND arm IN ('control', 'treatment')
        GROUP BY ALL ORDER BY ALL""",
        moment,
        hours,
    )
    return [row for row in rows if row[0] not in mixed], len(mixed)


@pytest.mark.slow
@pytest.mark.parametrize(("folds", "ids"), [(0, 120), (64, 120), (64, 100_000), (0, 100_000), (2, 100_000)])
def test_any_story_is_read_as_the_views_say_at_any_moment(
    folds: int, ids: int, feed: Any, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "FOLD", folds)
    lines = story(product, ids)
    target, quarantined = feed.warehouse.target, 0
    confirmed(feed, "u5", product.noon + 3 * DAY, product.noon)
    confirmed(feed, "u8", None, product.noon)
    for _ in range(3):
        feed.pour(*lines[:200])
        lines = lines[200:]
        for days, hours in ((2.0, 0.0), (4.5, 24.0), (8.0, 24.0), (400.0, 24.0)):
            moment = product.noon + days * DAY
            found = experiment_users(target, "tone", arms=ARMS, as_of=moment, maturity_hours=hours)
            columns = ("user_id", "arm", "first_exposure", "exposures", "loves", "closings", "returned")
            rows = list(zip(*(found.users[name].to_pylist() for name in columns), strict=True))
            assert (rows, found.in_several_arms) == of_the_log(feed, moment, hours)
            quarantined += found.quarantined
    assert feed.ask("SELECT count(*) > 0 FROM experiment_users") == [(folds > 0,)]
    assert feed.ask("SELECT count(*) > 0 FROM quarantined_reactions") == [(True,)]
    assert quarantined
