from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from streams.fixtures import Worlds
from streams.synthetic import WorldConfig
from streams.synthetic.language.talk import draw_talk, draw_turns
from streams.synthetic.people.life import Life
from streams.synthetic.people.loyalty import Staying
from streams.synthetic.people.population import draw_people
from streams.synthetic.studies.retention import effect_of_pleasing, lived_days, retention_curve
from streams.synthetic.truth import formulas

SMALL = WorldConfig.long(responses=8_000, users=1_400)


@pytest.fixture(scope="module")
def days() -> pa.Table:
    return lived_days(SMALL)


def test_stakes_of_one_leave_the_chance_to_return_as_it_is_written() -> None:
    rng = np.random.default_rng(1)
    talk = draw_talk(rng, draw_turns(rng, 500))
    readings = formulas.read(talk.conversations, talk.responses)
    plain, high = (formulas.return_chance(readings, talk.happy, stakes=stakes) for stakes in (1.0, 3.0))
    assert (plain == formulas.return_chance(readings, talk.happy)).all()
    assert ((high > plain) == (plain > 0.5))[plain != 0.5].all()
    assert high.std() > plain.std() * 1.5


def test_the_days_are_those_that_life_lived(days: pa.Table) -> None:
    life = Life(SMALL, np.random.default_rng(SMALL.seed).spawn(2)[0])
    visits: dict[tuple[str, int], int] = {}
    for number in range(SMALL.days):
        for user in (user for day in life.live(number) for user in day.user.tolist()):
            key = (life.people.ids[user], number)
            visits[key] = visits.get(key, 0) + 1
    first = (SMALL.ends_at - timedelta(days=SMALL.days)).date()
    assert len(days) == len([key for key in visits if 7 <= key[1] < SMALL.days - 14])
    for row in days.slice(200, 300).to_pylist():
        user, day = row["user_id"], (row["day"] - first).days
        assert row["responses"] == visits[user, day]
        assert row["returned"] == ((user, day + 1) in visits)
        assert row["retained"] == any((user, day + later) in visits for later in range(8, 15))
        assert row["earlier_responses"] == sum(visits.get((user, day - back), 0) for back in range(1, 8))
        assert row["tenure_days"] == day - min(when for who, when in visits if who == user)
        assert len(row["next_messages"]) == row["responses"] - row["conversations"]


@pytest.mark.slow
def test_hearts_and_likes_go_with_satisfaction_dislikes_against_it_and_going_on_with_neither() -> None:
    found = lived_days(WorldConfig.long())
    ended = found["satisfaction"].to_numpy()
    given = {name: found[name].to_numpy().astype(float) > 0 for name in ("love", "liked", "disliked", "continues")}
    gaps = {name: ended[has].mean() - ended[~has].mean() for name, has in given.items()}
    assert gaps["love"] > 0.08
    assert gaps["liked"] > 0.04
    assert gaps["disliked"] < -0.05
    assert abs(gaps["continues"]) < 0.02


@pytest.mark.slow
def test_whoever_is_content_on_the_first_day_is_more_often_there_after_thirty(loveloop_world: Worlds) -> None:
    world = loveloop_world(WorldConfig.long())
    users = world.truth("users")
    curve = retention_curve(users, until=date(2026, 1, 30)).to_pylist()
    share = {(row["group"], row["day"]): row["share"] for row in curve}
    assert all(share[group, 0] == 1 for group in ("low", "middle", "high"))
    assert all(share[g, day] >= share[g, day + 1] for g in ("low", "middle", "high") for day in range(30))
    assert share["low", 7] < share["middle", 7] - 0.1
    assert share["low", 30] < share["high", 30] - 0.03
    assert sum(row["users"] for row in curve if row["day"] == 30) > 3_000


def test_newcomers_come_after_they_joined_and_nobody_comes_after_they_left(loveloop_world: Worlds) -> None:
    config = WorldConfig.small(responses=4_000, users=400, days=12)
    life = Life(config, np.random.default_rng(2))
    gone: set[int] = set()
    for number in range(config.days):
        for day in life.live(number):
            assert (life.people.tenure_days[day.user] > -(number + 1)).all()
            assert not gone & set(day.user.tolist())
        gone |= set(np.flatnonzero(life.staying.left).tolist())
    assert len(gone) > 10
    rows = [row for row in loveloop_world().truth("users").to_pylist() if row["first_seen"]]
    assert all(row["joined"] <= row["first_seen"] <= row["last_seen"] for row in rows)
    assert any(row["joined"] == row["first_seen"] > date(2026, 1, 28) for row in rows)


def test_a_bad_week_weighs_more_than_a_bad_day() -> None:
    people = draw_people(np.random.default_rng(1), 1)
    both = []
    for endings in ([True] * 6 + [False], [False] * 7):
        staying = Staying(people, 1.0, np.random.default_rng(1))
        for pleased in endings:
            staying.please(np.array([0]), np.array([not pleased]))
            staying.please(np.array([0]), np.array([pleased]))  # overrules what was settled before
            staying.close(np.zeros(0, np.int64))
        both.append((staying.stock[0], staying.weights(7)[0]))
    assert both[0][0] > 0.5
    assert both[1][0] < 0.1
    assert both[0][1] > 1.1 * both[1][1]


@pytest.mark.slow
def test_a_good_ending_makes_users_stay_and_without_stakes_it_does_not() -> None:
    found = effect_of_pleasing(WorldConfig.long(responses=60_000))
    assert found.value > 0.2 > 5 * found.error
    none = effect_of_pleasing(WorldConfig.long(responses=60_000, stakes=0))
    assert abs(none.value) < 3 * none.error
