"""Who stays in the synthetic world, and what that truly has to do with the signals they gave.

A user comes again because the last day ended well (`formulas.return_chance`), never because of a heart: reactions and
retention have common causes only. So the world can say what an analysis of its events ought to find:

- `lived_days`: the signals and the outcome as they happened, without the faults, the attackers and the wire;
- `effect_of_pleasing`: what a good ending does to retention, by a randomised experiment on the users' minds;
- `retention_curve`: how many are still there after k days, by how content their first day left them.
"""

from datetime import date
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from streams.synthetic.config import WorldConfig
from streams.synthetic.people.day import NEVER, REACTIONS, Day
from streams.synthetic.people.life import DAY, Life
from streams.synthetic.truth import formulas

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

HISTORY: Final = 7
"""Days before a row's day that its earlier activity covers; days of the outcome's window too."""
OUTCOME: Final = 14
"""Days after a row's day on which the outcome's week ends."""
LONGEST_STAY: Final = 30
"""Days of a retention curve; only users who were first seen that long before its end count."""


class RetentionEffect(NamedTuple):
    """A difference of two shares and its standard error."""

    value: float
    error: float


class _ShownResponses(NamedTuple):
    """What was shown to people, one entry a response, in the order in which it was lived."""

    user: Ints
    day: Ints
    talk: Ints
    reaction: Ints
    satisfaction: Floats
    next_message: list[str | None]


def lived_days(config: WorldConfig) -> pa.Table:
    """What `warehouse.signals` ought to read from this world's events, and the hidden satisfaction beside it.

    Args:
        config: The world; `config.days` must exceed `OUTCOME` by more than a week.

    Returns:
        Columns and order as `warehouse.signals.user_days` finds them before it reads the messages (`next_messages`
        instead of `sentiment`), and `satisfaction`: the chance that the day's last response makes the user come again.
    """
    life = Life(config, np.random.default_rng(config.seed).spawn(2)[0])
    shown = _join([_shown(day, number, config.stakes) for number in range(config.days) for day in life.live(number)])
    order = np.lexsort((shown.day, shown.user))
    begins = np.flatnonzero(np.diff(shown.user[order] * config.days + shown.day[order], prepend=-1))
    user, day = shown.user[order][begins], shown.day[order][begins]
    visits = np.zeros((config.users, config.days), np.int64)
    np.add.at(visits, (shown.user, shown.day), 1)
    went_on = np.array([message is not None for message in shown.next_message])
    talks = np.diff(np.append(begins, len(order)))  # less one for each response that was not the first of its talk
    talks = talks - np.add.reduceat(went_on[order].astype(np.int64), begins)
    reacted = {
        name: np.logical_or.reduceat(shown.reaction[order] == REACTIONS.index(kind), begins)
        for name, kind in (("love", "love"), ("liked", "like"), ("disliked", "dislike"))
    }
    last = order[np.append(begins[1:], len(order)) - 1]
    table = pa.table(
        {
            "user_id": [life.people.ids[one] for one in user.tolist()],
            "day": pa.array(life.begins // DAY + day, pa.int32()).cast(pa.date32()),
            "responses": visits[user, day],
            "conversations": talks,
            **reacted,
            "continues": (visits[user, day] - talks) / visits[user, day],
            "next_messages": _lists(shown.next_message, order, begins),
            "returned": _within(visits, user, day, 1, 1) > 0,
            "earlier_responses": _within(visits, user, day, -HISTORY, -1),
            "tenure_days": day - (visits > 0).argmax(axis=1)[user],
            "arm": [""] * len(user),
            "retained": _within(visits, user, day, OUTCOME - HISTORY + 1, OUTCOME) > 0,
            "satisfaction": shown.satisfaction[last],
        }
    )
    known = table.filter(pa.array((day >= HISTORY) & (day + OUTCOME < config.days)))
    return known.sort_by([("user_id", "ascending"), ("day", "ascending")])


def effect_of_pleasing(config: WorldConfig) -> RetentionEffect:
    """What a good ending of one day does to retention: the world's own causal effect.

    1. Live a week and a day, so that moods and habits have settled.
    2. Of those who came on the last day, let a coin decide whose day ended well, whatever they were shown.
    3. Live on for `OUTCOME` days.
    4. Compare who was there in the last week of these.

    Args:
        config: The world; its days are lived only as far as needed.
    """
    life = Life(config, np.random.default_rng(config.seed).spawn(2)[0])
    came = np.zeros(0, np.int64)
    for number in range(HISTORY + 1):
        came = np.unique(np.concatenate([day.user for day in life.live(number)]))
    pleased = np.random.default_rng([config.seed, 1]).random(len(came)) < 0.5
    life.please(came, pleased)
    stayed = np.zeros(config.users, bool)
    for number in range(HISTORY + 1, HISTORY + 1 + OUTCOME):
        for day in life.live(number):
            stayed[day.user] |= number > OUTCOME
    shares = [stayed[came[each]].mean() for each in (pleased, ~pleased)]
    errors = [share * (1 - share) / each.sum() for share, each in zip(shares, (pleased, ~pleased), strict=True)]
    return RetentionEffect(float(shares[0] - shares[1]), float(np.sqrt(sum(errors))))


def retention_curve(users: pa.Table, *, until: date) -> pa.Table:
    """Who is still there after k days, by how content the first day left them.

    The first day that a user was seen is no consequence of their staying, so the groups may be compared; of the mean
    over all days (`satisfaction`) that could not be said.

    Args:
        users: `truth/users.parquet` of a world without social influence; who never came, and attackers, are left out.
        until: The world's last day.

    Returns:
        Columns group (`low`, `middle`, `high`: thirds of `first_satisfaction`), day (0 to `LONGEST_STAY`), users, and
        share of them that was seen on that day after the first, or later.
    """
    came = users.filter(pc.is_valid(users["first_seen"]))
    first, last = (came[name].cast(pa.int32()).to_numpy() for name in ("first_seen", "last_seen"))
    old = first + LONGEST_STAY <= (until - date(1970, 1, 1)).days
    stayed, content = (last - first)[old], came["first_satisfaction"].to_numpy()[old]
    group = np.searchsorted(np.quantile(content, [1 / 3, 2 / 3]), content) if len(content) else np.zeros(0, np.int64)
    rows = [
        {
            "group": name,
            "day": day,
            "users": int(np.sum(group == place)),
            "share": _share(stayed[group == place] >= day),
        }
        for place, name in enumerate(("low", "middle", "high"))
        for day in range(LONGEST_STAY + 1)
    ]
    return pa.Table.from_pylist(rows)


def _share(holds: Bools) -> float | None:
    return float(holds.mean()) if len(holds) else None


def _shown(day: Day, number: int, stakes: float) -> _ShownResponses:
    stands = (day.reacted_at != NEVER) & (day.reacted_at - day.at <= DAY)
    stands &= (day.removed_at == NEVER) | (day.removed_at - day.at > DAY)
    follows = np.append(np.diff(day.talk.owner) == 0, False)
    said = [talk[-1]["content"] for talk in day.talk.conversations[1:]] + [""]
    heard = [text if on else None for text, on in zip(said, follows.tolist(), strict=True)]
    return _ShownResponses(
        user=day.user,
        day=np.full(len(day.user), number),
        talk=day.talk.owner,
        reaction=np.where(stands, day.reaction, 0),
        satisfaction=formulas.return_chance(day.readings, day.talk.happy, stakes=stakes),
        next_message=heard,
    )


def _join(parts: list[_ShownResponses]) -> _ShownResponses:
    user, day, talk, reaction, satisfaction, said = zip(*parts, strict=True)
    return _ShownResponses(
        user=np.concatenate(user),
        day=np.concatenate(day),
        talk=np.concatenate(talk),
        reaction=np.concatenate(reaction),
        satisfaction=np.concatenate(satisfaction),
        next_message=[text for part in said for text in part],
    )


def _within(visits: Ints, user: Ints, day: Ints, first: int, last: int) -> Ints:
    """Visits of each user on the days `day + first` to `day + last`; days outside the world have none."""
    before = np.concatenate([np.zeros((len(visits), 1), np.int64), np.cumsum(visits, axis=1)], axis=1)
    end = visits.shape[1]
    return np.asarray(before[user, np.clip(day + last + 1, 0, end)] - before[user, np.clip(day + first, 0, end)])


def _lists(texts: list[str | None], order: Ints, begins: Ints) -> pa.ListArray:
    """The texts in this order, in lists that begin at those places, without the missing ones."""
    known = np.array([texts[place] is not None for place in order.tolist()])
    before = np.concatenate([[0], np.cumsum(known)])
    ends = before[np.append(begins, len(order))]
    said = pa.array([texts[place] for place in order[known].tolist()], pa.string())
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), said)
