"""Lockstep groups: matches against brute force, what a match says, and what independent users lose."""

import csv
import itertools
from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest

from warehouse.adversary.groups import co_reactions, lockstep
from warehouse.adversary.groups.co_reactions import DAY, HOUR, CoReactions, Pairs, encode

MINUTE = 60_000_000
STARS = Path(__file__).parents[5] / "shared" / "data" / "starscout" / "suspected_fake_stars.csv"
Rows = list[tuple[str, str, int]]


def actions(rows: Rows) -> CoReactions:
    user, item, at = zip(*rows, strict=True)
    return encode(pa.table({"user": user, "object": item, "at": pa.array(at, pa.int64())}))


def independent(rng: np.random.Generator, users: int = 250, deeds: int = 500, objects: int = 60) -> Rows:
    """Users who choose popular objects more often, at the hours of the day, and know nothing of each other."""
    odds = 1.0 / np.arange(1, objects + 1)
    chosen = rng.choice(objects, deeds, p=odds / odds.sum())
    at = rng.integers(28, size=deeds) * DAY + (rng.normal(18, 3, deeds) % 24 * HOUR).astype(np.int64)
    who = rng.integers(users, size=deeds)
    return [(f"u{u}", f"o{o}", int(t)) for u, o, t in zip(who, chosen, at, strict=True)]


def farm(size: int, orders: int, rng: np.random.Generator, camouflage: int = 0) -> Rows:
    """Accounts that all choose the same rare objects within half an hour of an order, and popular ones at any time."""
    rows = [
        (f"bot{n}", f"rare{k}", int(k * 3 * DAY + 15 * HOUR + rng.integers(30 * MINUTE)))
        for n in range(size)
        for k in range(orders)
    ]
    return rows + [
        (f"bot{n}", f"o{rng.integers(5)}", int(rng.integers(28 * DAY))) for n in range(size) for _ in range(camouflage)
    ]


def names(found: lockstep.LockstepSearch, of: CoReactions) -> list[set[str]]:
    return [{of.users[int(user)].as_py() for user in group.members} for group in found.groups]


def test_matches_are_all_close_actions_of_two_users_on_one_object() -> None:
    rng = np.random.default_rng(1)
    some = actions([(f"u{rng.integers(6)}", f"o{rng.integers(4)}", int(rng.integers(40) * HOUR)) for _ in range(80)])
    found = co_reactions.matches(some, within=3 * HOUR, most=80)
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(80), 2)
        if some.object[i] == some.object[j] and some.user[i] != some.user[j] and some.at[j] - some.at[i] <= 3 * HOUR
    }
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == expected
    assert len(found.first) == len(expected) > 50
    assert found.capped == 0


def test_no_border_between_buckets_splits_a_pair() -> None:
    some = actions([("ann", "x", DAY - 1), ("bob", "x", DAY + 1)])
    assert len(co_reactions.matches(some, within=2).first) == 1
    assert len(co_reactions.matches(some, within=1).first) == 0


def test_a_crowd_is_capped_counted_and_still_one_group() -> None:
    some = actions([(f"u{n:03}", "x", n) for n in range(200)])
    found = co_reactions.matches(some, within=HOUR, most=8)
    assert len(found.first) <= 200 * 8
    assert len(found.first) + found.capped == 200 * 199 // 2
    linked = Pairs(
        some.user[found.first], some.user[found.second], found.first, np.full(len(found.first), 9.0), found.first
    )
    assert [len(group.members) for group in lockstep.groups(linked, 200, [1.0])] == [200]


def test_a_match_on_a_rare_object_is_more_surprising_and_a_closer_one_too() -> None:
    crowd = [(f"u{n}", "common", n * DAY // 20) for n in range(400)]
    rows = [
        ("a", "rare", 10 * DAY),
        ("b", "rare", 10 * DAY + HOUR),
        ("c", "rare", 15 * DAY),
        ("d", "rare", 15 * DAY + MINUTE),
    ]
    some = actions([*crowd, *rows, ("a", "common", 10 * DAY), ("b", "common", 10 * DAY + HOUR)])
    found = co_reactions.matches(some, within=HOUR)
    nats = co_reactions.surprise(some, found, co_reactions.rhythm(some.at))
    told = {
        (
            some.users[int(some.user[i])].as_py(),
            some.users[int(some.user[j])].as_py(),
            some.objects[int(some.object[i])].as_py(),
        ): n
        for i, j, n in zip(found.first, found.second, nats, strict=True)
    }
    assert told["c", "d", "rare"] > told["a", "b", "rare"] > 3
    assert told["a", "b", "common"] < 1
    assert (nats >= 0).all()


def test_the_sides_of_one_deed_count_once_and_an_object_once_a_day() -> None:
    table = pa.table(
        {
            "user": ["a", "a", "b", "b", "a", "b", "a", "b"],
            "object": ["prompt", "text", "prompt", "text", "prompt", "prompt", "prompt", "prompt"],
            "at": pa.array([0, 0, 1, 1, 5, 6, DAY, DAY + 1], pa.int64()),
            "source": [0, 0, 1, 1, 2, 3, 4, 5],
        }
    )
    some = encode(table)
    found = co_reactions.matches(some)
    weighed = co_reactions.pairs(some, found, np.ones(len(found.first)))
    assert weighed.matches.tolist() == [2]  # one on each day
    assert weighed.surprise.tolist() == [2.0]
    assert weighed.since.tolist() == [0]


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_the_components_of_strong_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = {tuple(sorted(rng.choice(40, 2, replace=False).tolist())): float(rng.uniform(0, 10)) for _ in range(60)}
    a, b = np.array(list(edges)).T
    weighed = Pairs(a, b, np.ones_like(a), np.array(list(edges.values())), np.zeros_like(a))
    found = lockstep.groups(weighed, 40, [2.0, 5.0, 8.0])
    for floor in (2.0, 5.0, 8.0):
        graph = nx.Graph([edge for edge, weight in edges.items() if weight >= floor])
        expected = {frozenset(each) for each in nx.connected_components(graph) if len(each) >= lockstep.LEAST}
        assert {frozenset(group.members.tolist()) for group in found if group.floor == floor} == expected
        for group in found:
            if group.floor == floor:
                tree = nx.maximum_spanning_tree(
                    nx.Graph([(i, j, {"weight": w}) for (i, j), w in edges.items() if w >= floor]).subgraph(
                        group.members.tolist()
                    )
                )
                assert group.surprise == pytest.approx(tree.size("weight"))


def test_the_null_keeps_who_chose_what_at_which_hour_and_how_often() -> None:
    some = actions(independent(np.random.default_rng(2)))
    (moved,) = lockstep.null_draws(some, co_reactions.rhythm(some.at), 1, seed=5)

    def known(these: CoReactions) -> Counter[tuple[int, int, int]]:
        return Counter(zip(these.user.tolist(), these.object.tolist(), (these.at % DAY).tolist(), strict=True))

    assert known(moved) == known(some)
    assert (moved.at != some.at).any()
    assert set((moved.at // DAY).tolist()) <= set(range(28))


def test_a_few_who_do_half_of_everything_are_no_group() -> None:
    rng = np.random.default_rng(10)
    who, item = rng.zipf(1.6, 2000) % 4000, rng.zipf(1.5, 2000) % 300
    at = (rng.integers(28, size=2000) * DAY + rng.integers(DAY, size=2000)).tolist()
    some = actions([(f"u{u}", f"o{o}", t) for u, o, t in zip(who, item, at, strict=True)])
    found = lockstep.find(some, budget=0.0025, draws=5)
    assert np.isinf(found.lines[0])
    assert (found.scores[some.user] > 0).mean() < 0.01


@pytest.mark.slow
def test_independent_users_lose_no_more_than_the_budget() -> None:
    budget, lost, deeds = 0.01, 0, 0
    for seed in range(5):
        some = actions(independent(np.random.default_rng(seed)))
        found = lockstep.find(some, budget=budget, draws=10)
        lost += int((found.scores[some.user] > 0).sum())
        deeds += len(some.at)
    assert lost / deeds <= budget


@pytest.mark.parametrize("camouflage", [0, 4])
def test_a_farm_is_found_whole_and_alone(camouflage: int) -> None:
    rng = np.random.default_rng(3)
    some = actions(independent(rng) + farm(8, 3, rng, camouflage))
    found = lockstep.find(some, budget=0.0025, draws=10)
    assert names(found, some) == [{f"bot{n}" for n in range(8)}]
    assert (found.scores > 1).sum() == 8


def test_who_brushes_against_a_farm_once_is_not_of_it() -> None:
    rng = np.random.default_rng(7)
    near = [("passer-by", "rare0", 15 * HOUR + 2 * HOUR), ("passer-by", "o1", 20 * DAY)]
    some = actions(independent(rng) + farm(8, 3, rng) + near)
    assert names(lockstep.find(some, budget=0.0025, draws=10), some) == [{f"bot{n}" for n in range(8)}]


def test_a_large_farm_does_not_raise_its_own_line() -> None:
    rng = np.random.default_rng(4)
    honest = independent(rng)
    small = lockstep.find(actions(honest + farm(8, 3, rng)), budget=0.0025, draws=10)
    large = lockstep.find(actions(honest + farm(60, 5, rng)), budget=0.0025, draws=10)
    assert len(large.groups[0].members) == 60
    assert large.lines == pytest.approx(small.lines, rel=0.5)


def test_a_love_on_a_common_object_in_a_busy_hour_means_nothing() -> None:
    rng = np.random.default_rng(5)
    rush = [(f"u{n}", "o0", 12 * DAY + 18 * HOUR + int(rng.integers(HOUR))) for n in range(0, 250, 12)]
    everyday = [
        (f"u{rng.integers(250)}", "o0", int(rng.integers(28) * DAY + 18 * HOUR + rng.integers(HOUR)))
        for _ in range(600)
    ]
    assert not lockstep.find(actions(independent(rng) + everyday + rush), budget=0.0025, draws=10).groups


def test_the_same_actions_in_any_order_give_the_same_groups() -> None:
    rng = np.random.default_rng(6)
    rows = independent(rng) + farm(5, 2, rng)
    first = actions(rows)
    again = actions([rows[n] for n in rng.permutation(len(rows))])
    one, other = (lockstep.find(some, budget=0.0025, draws=5) for some in (first, again))
    assert names(one, first) == names(other, again)


@pytest.mark.parametrize("rows", [[], [("a", "x", 0)], [("a", "x", 0), ("b", "x", 1)], [("a", "x", 0)] * 3])
def test_next_to_nothing_is_no_group(rows: Rows) -> None:
    table = {name: [row[n] for row in rows] for n, name in enumerate(("user", "object", "at"))}
    some = encode(
        pa.table(
            {
                **table,
                "user": pa.array(table["user"], pa.string()),
                "object": pa.array(table["object"], pa.string()),
                "at": pa.array(table["at"], pa.int64()),
            }
        )
    )
    assert lockstep.find(some, budget=0.0025, draws=2).groups == []


@pytest.mark.slow
def test_stars_that_were_sold_come_in_lockstep_and_shuffled_ones_do_not() -> None:
    if not STARS.exists():
        pytest.skip(f"{STARS} is not there: the real stars are not part of the project")
    with STARS.open() as file:
        table = pa.Table.from_pylist(list(csv.DictReader(file))).rename_columns({"item": "object", "starred_at": "at"})
    some = encode(table.set_column(2, "at", table["at"].cast(pa.timestamp("s", "UTC"))))
    found = lockstep.find(some, budget=0.0025, draws=5)
    (shuffled,) = lockstep.null_draws(some, co_reactions.rhythm(some.at), 1, seed=99)
    chance = lockstep.find(shuffled, budget=0.0025, draws=5)
    assert (found.scores > 0)[some.user].mean() > 0.1
    assert (chance.scores > 0)[shuffled.user].mean() < 0.01
