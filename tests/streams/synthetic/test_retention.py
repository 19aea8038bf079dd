from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from streams.synthetic import WorldConfig, truth
from streams.synthetic.life import Life
from streams.synthetic.retention import effect_of_pleasing, lived_days, satisfaction_gaps
from streams.synthetic.talk import draw_talk, draw_turns

SMALL = WorldConfig.long(responses=8_000, users=1_400)


@pytest.fixture(scope="module")
def days() -> pa.Table:
    return lived_days(SMALL)


def test_stakes_of_one_leave_the_chance_to_return_as_it_is_written() -> None:
    rng = np.random.default_rng(1)
    talk = draw_talk(rng, draw_turns(rng, 500))
    readings = truth.read(talk.conversations, talk.responses)
    plain, high = (truth.return_chance(readings, talk.happy, stakes=stakes) for stakes in (1.0, 3.0))
    assert (plain == truth.return_chance(readings, talk.happy)).all()
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


def test_hearts_and_likes_go_with_satisfaction_dislikes_against_it_and_going_on_with_neither(days: pa.Table) -> None:
    gaps = satisfaction_gaps(days, ("love", "liked", "disliked", "continues"))
    assert gaps["love"] > 0.05
    assert gaps["liked"] > 0.02
    assert gaps["disliked"] < -0.02
    assert abs(gaps["continues"]) < 0.03


@pytest.mark.slow
def test_a_good_ending_makes_users_stay_and_without_stakes_it_does_not() -> None:
    found = effect_of_pleasing(WorldConfig.long(responses=60_000))
    assert found.value > 0.2 > 5 * found.error
    none = effect_of_pleasing(WorldConfig.long(responses=60_000, stakes=0))
    assert abs(none.value) < 3 * none.error
