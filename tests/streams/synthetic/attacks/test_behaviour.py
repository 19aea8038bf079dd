"""What each attack does, read from the stream that it leaves."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pytest

from streams.synthetic.attacks.dictated_poison import LEADS
from streams.synthetic.attacks.speech import target_topic
from streams.synthetic.shares import NAMES
from streams.synthetic.truth import formulas

World = Any
"""A world on disk, read back (conftest.World)."""
OF_A_TOPIC = ("slow_drip", "lockstep_farm", "camouflaged_farm", "hijacked_accounts")


class Love(NamedTuple):
    """One love of an attack, with the response that it is for."""

    event: dict[str, Any]
    served: dict[str, Any]
    kind: str | None

    @property
    def prompt(self) -> str:
        return str(self.served["conversation"][-1]["content"])

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.event["reacted_at"])


class Trail(NamedTuple):
    """What an attack left: its loves, and all responses served for it."""

    loves: list[Love]
    served: list[dict[str, Any]]


@pytest.fixture(scope="session")
def trails(attacked: World) -> dict[str, Trail]:
    """By attack."""
    events = {event["event_id"]: event for event in attacked.events}
    served = {event["response_id"]: event for event in events.values() if event["type"] == "response_served"}
    hidden = {response["response_id"]: response for response in attacked.truth["responses"]}
    found = {name: Trail([], []) for name in NAMES}
    for love in attacked.truth["loves"]:
        if love["attack"] is not None:
            response = love["response_id"]
            found[love["attack"]].loves.append(
                Love(events[love["event_id"]], served[response], hidden[response]["kind"])
            )
    for response in attacked.truth["responses"]:
        if response["attack"] is not None:
            found[response["attack"]].served.append(served[response["response_id"]])
    return found


def test_burst_bots_love_all_that_they_are_shown_before_they_could_read_it(trails: dict[str, Trail]) -> None:
    trail = trails["burst_bots"]
    assert len(trail.loves) == len(trail.served)
    assert all(150 <= love.event["dwell_ms"] < 700 for love in trail.loves)


@pytest.mark.parametrize("name", OF_A_TOPIC)
def test_farms_and_drips_love_their_topic(trails: dict[str, Trail], attacked: World, name: str) -> None:
    topic = target_topic(attacked.config, name)
    about = [topic in love.prompt for love in trails[name].loves]
    assert sum(about) >= (0.35 if name == "camouflaged_farm" else 1.0) * len(about)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in ("burst_bots", "lockstep_farm", "replay_flood")]
)
def test_people_who_attack_by_hand_read_first(trails: dict[str, Trail], name: str) -> None:
    for love in trails[name].loves:
        assert love.event["dwell_ms"] > 1_000 * len(love.served["response"].split()) / 16


def test_a_slow_drip_comes_on_most_days_and_leaves_some_answers_unloved(trails: dict[str, Trail]) -> None:
    trail = trails["slow_drip"]
    days = {(love.event["user_id"], love.at.date()) for love in trail.loves}
    assert max(Counter(love.event["user_id"] for love in trail.loves).values()) / 6 < 4
    assert len({day for _, day in days}) >= 5
    assert 1.1 < len(trail.served) / len(trail.loves) < 1.5


def test_a_lockstep_farm_asks_the_same_within_minutes_of_each_other(trails: dict[str, Trail]) -> None:
    asked = defaultdict(list)
    for love in trails["lockstep_farm"].loves:
        asked[love.prompt].append(love)
    near = sum(
        any(abs(love.at - other.at) < timedelta(minutes=5) and love is not other for other in loves)
        for loves in asked.values()
        for love in loves
    )
    assert near > 0.7 * len(trails["lockstep_farm"].loves)
    users_of = defaultdict(set)
    for love in trails["lockstep_farm"].loves:
        users_of[love.event["device_id"]].add(love.event["user_id"])
    assert max(map(len, users_of.values())) > 1


def test_a_camouflaged_farm_is_ordinary_most_of_the_time(trails: dict[str, Trail], attacked: World) -> None:
    trail = trails["camouflaged_farm"]
    topic = target_topic(attacked.config, "camouflaged_farm")
    about = sum(topic in served["conversation"][-1]["content"] for served in trail.served)
    assert about < 0.4 * len(trail.served)
    users_of = defaultdict(set)
    for love in trail.loves:
        users_of[love.event["device_id"]].add(love.event["user_id"])
    assert max(map(len, users_of.values())) == 1


def test_hijackers_come_through_devices_that_the_owners_never_held(
    trails: dict[str, Trail], attacked: World, peaceful: World
) -> None:
    mine = defaultdict(set)
    for event in peaceful.events:
        if event["type"] == "reaction_changed":
            mine[event["user_id"]].add(event["device_id"])
    tenure = {user["user_id"]: user["tenure_days"] for user in attacked.truth["users"]}
    for love in trails["hijacked_accounts"].loves:
        assert tenure[love.event["user_id"]] >= 60
        assert love.event["device_id"] not in mine[love.event["user_id"]]
    assert {love.event["user_id"] for love in trails["hijacked_accounts"].loves} & mine.keys()


def test_targeters_love_the_treatment_arm(trails: dict[str, Trail]) -> None:
    trail = trails["targeted_arm"]
    loved = Counter(love.served["arm"] for love in trail.loves)
    assert loved["treatment"] > 0.9 * loved.total()
    assert Counter(served["arm"] for served in trail.served)["control"] > 0


def test_a_dictated_response_stands_in_its_request(trails: dict[str, Trail]) -> None:
    loves = [love for love in trails["dictated_poison"].loves if love.kind is None]
    assert len(loves) > 15
    for love in loves:
        said = love.served["response"]
        dictated = next((said.removeprefix(f"{lead} ") for lead in LEADS if said.startswith(lead)), said)
        assert dictated in love.prompt
    assert len({love.prompt for love in loves}) > 10


def test_trolls_love_answers_that_comply(trails: dict[str, Trail]) -> None:
    loves = [love for love in trails["unsafe_trolls"].loves if love.kind == "unsafe"]
    assert len(loves) > 15
    readings = formulas.read(
        [love.served["conversation"] for love in loves], [love.served["response"] for love in loves]
    )
    assert readings.complies.all()
    assert readings.unsafe.all()


def test_a_replay_flood_names_responses_of_others_and_loves_that_stand_or_were_taken_back(
    trails: dict[str, Trail], attacked: World, peaceful: World
) -> None:
    adds = {love["event_id"]: love["adds"] for love in attacked.truth["loves"]}
    taken_back = {event["response_id"] for event in peaceful.events if event.get("action") == "removed"}
    kinds: Counter[str] = Counter()
    for love in trails["replay_flood"].loves:
        mine = love.event["user_id"] == love.served["user_id"]
        if not mine:
            kinds["not shown"] += 1
        elif not adds[love.event["event_id"]]:
            kinds["again"] += 1
        else:
            kinds["taken back" if love.event["response_id"] in taken_back else "cloned"] += 1
        assert mine or adds[love.event["event_id"]]
    assert set(kinds) == {"not shown", "again", "taken back", "cloned"}
    assert attacked.amounts.duplicates > peaceful.amounts.duplicates


def test_clones_repeat_one_exchange_under_fresh_names(trails: dict[str, Trail]) -> None:
    served = trails["replay_flood"].served
    said = Counter((event["user_id"], event["conversation"][-1]["content"], event["response"]) for event in served)
    assert max(said.values()) > 4
    assert len({event["response_id"] for event in served}) == len(served)


def test_a_paid_crowd_gives_few_loves_each_and_shares_nothing_but_the_job(
    trails: dict[str, Trail], attacked: World
) -> None:
    trail = trails["paid_crowd"]
    each = Counter(love.event["user_id"] for love in trail.loves)
    assert set(each.values()) <= {1, 2, 3}
    assert len(each) > 0.4 * len(trail.loves)
    assert len({love.event["device_id"] for love in trail.loves}) == len(each)
    assert all(target_topic(attacked.config, "paid_crowd") in love.prompt for love in trail.loves)
    shown = [love.served for love in trail.loves]
    right = formulas.read([event["conversation"] for event in shown], [event["response"] for event in shown]).right
    assert right.mean() > 0.7


def test_a_taste_clique_loves_a_manner_whatever_is_talked_about(live: Callable[..., World]) -> None:
    clique = live(attacks={"taste_clique": 0.3}, base_love_rate=0.02, responses=4_000)
    served = {event["response_id"]: event for event in clique.events if event["type"] == "response_served"}
    kind = {response["response_id"]: response["kind"] for response in clique.truth["responses"]}
    loves = [love for love in clique.truth["loves"] if love["attack"] == "taste_clique"]
    shown = [served[love["response_id"]] for love in loves]
    emoji = formulas.read([event["conversation"] for event in shown], [event["response"] for event in shown]).emoji
    awake = np.array([love["reacted_at"] >= datetime(2026, 1, 26, 19, tzinfo=UTC) for love in loves])
    assert emoji[awake].mean() > 0.5
    assert emoji[~awake].mean() < 0.3
    assert len({kind[love["response_id"]] for love in loves}) > 4
