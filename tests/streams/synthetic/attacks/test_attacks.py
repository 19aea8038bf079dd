"""What holds for every attack."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streams.synthetic.config import WorldConfig
from streams.synthetic.shares import NAMES, AttackShare, budget, check_shares
from streams.synthetic.world import simulate

World = Any
"""A world on disk, read back (conftest.World)."""


@pytest.mark.parametrize("name", NAMES)
def test_an_attack_spends_its_budget_of_loves(attacked: World, name: str) -> None:
    total = sum(attack.share for attack in attacked.config.attacks)
    loves = budget(0.06, total, attacked.config.base_love_rate, attacked.config.responses)
    assert loves > 20
    assert attacked.amounts.attack_loves[name] == pytest.approx(loves, rel=0.25)  # some are earned by chance


def test_people_do_and_send_the_same_with_and_without_attacks(peaceful: World, attacked: World) -> None:
    """All but the copies of a replay flood, which are the same lines once more."""
    honest = set(peaceful.lines)
    assert [*dict.fromkeys(line for line in attacked.lines if line in honest)] == [*dict.fromkeys(peaceful.lines)]


def test_without_replays_every_honest_line_comes_as_often_as_before(
    peaceful: World, live: Callable[..., World]
) -> None:
    honest = set(peaceful.lines)
    farmed = live(attacks={"camouflaged_farm": 0.2, "hijacked_accounts": 0.2})
    assert [line for line in farmed.lines if line in honest] == peaceful.lines


@pytest.mark.slow
def test_the_same_seed_attacks_with_the_same_bytes(attacked: World, tmp_path: Path) -> None:
    simulate(attacked.config, tmp_path)
    assert (tmp_path / "events.ndjson").read_bytes().splitlines() == attacked.lines
    assert json.loads((tmp_path / "truth" / "attacks.json").read_text()) == attacked.truth["attacks"]
    assert pq.read_table(tmp_path / "truth" / "loves.parquet").to_pylist() == attacked.truth["loves"]


def test_another_seed_attacks_otherwise(attacked: World, live: Callable[..., World]) -> None:
    other = live(attacks={"slow_drip": 0.3}, seed=2)
    assert not set(other.lines) & set(attacked.lines)


def test_every_love_that_was_added_is_in_the_truth_once(attacked: World) -> None:
    orphans = {event["response_id"] for event in attacked.events if event["type"] == "reaction_changed"}
    orphans -= {event["response_id"] for event in attacked.events if event["type"] == "response_served"}
    added = {
        event["event_id"]
        for event in attacked.events
        if event.get("reaction") == "love" and event["action"] == "added" and event["response_id"] not in orphans
    }
    known = [love["event_id"] for love in attacked.truth["loves"]]
    assert len(known) == len(set(known))
    assert set(known) == added


def test_the_truth_counts_as_many_loves_and_responses_of_each_attack_as_the_amounts(attacked: World) -> None:
    loves = Counter(love["attack"] for love in attacked.truth["loves"])
    served = Counter(response["attack"] for response in attacked.truth["responses"])
    del loves[None], served[None]
    assert loves == attacked.amounts.attack_loves
    assert served == attacked.amounts.attack_responses
    assert {attack["name"]: attack["loves"] for attack in attacked.truth["attacks"]} == loves


def test_attacks_act_through_their_own_accounts_or_stolen_ones(attacked: World) -> None:
    users = {user["user_id"]: user for user in attacked.truth["users"]}
    for response in attacked.truth["responses"]:
        user = users[response["user_id"]]
        if response["attack"] is not None and not user["stolen"]:
            assert user["attack"] == response["attack"]
        if response["attack"] is None:
            assert user["stolen"] or user["attack"] is None
    assert {user["attack"] for user in users.values() if user["stolen"]} <= {"hijacked_accounts", "replay_flood"}


def test_attackers_hold_devices_of_their_own_except_for_replays(peaceful: World, attacked: World) -> None:
    honest = {event["device_id"] for event in peaceful.events if "device_id" in event}
    attack = {love["event_id"]: love["attack"] for love in attacked.truth["loves"]}
    for event in attacked.events:
        name = attack.get(event["event_id"])
        if name is not None and name != "replay_flood":
            assert event["device_id"] not in honest


def test_nothing_happens_before_the_world_begins_or_after_it_ends(attacked: World) -> None:
    ends = attacked.config.ends_at.isoformat().replace("+00:00", "Z")
    assert all(event.get("served_at", event.get("reacted_at")) <= ends for event in attacked.events)
    assert min(event.get("served_at", event.get("reacted_at")) for event in attacked.events) >= "2026-01-25"


def test_an_attack_is_the_same_beside_others(live: Callable[..., World]) -> None:
    """Chances hang on the name; with budgets that do not change, the others make no difference."""
    alone = live(attacks={"lockstep_farm": 0.2}, responses=1_000)
    total = 0.5  # .2 / .8 = x / .5: the same loves at a share of .125
    both = live(attacks={"lockstep_farm": 0.125, "burst_bots": total - 0.125}, responses=1_000)
    farm = {love["event_id"] for love in alone.truth["loves"] if love["attack"] == "lockstep_farm"}
    assert farm == {love["event_id"] for love in both.truth["loves"] if love["attack"] == "lockstep_farm"}


def test_the_least_that_an_attack_gives_is_one_love_on_one_day(live: Callable[..., World]) -> None:
    tiny = live(attacks=dict.fromkeys(NAMES, 0.0001), days=1, responses=400, base_love_rate=0.01)
    assert set(NAMES) - set(tiny.amounts.attack_loves) <= {"taste_clique"}  # it may never be shown its manner
    assert max(tiny.amounts.attack_loves.values()) <= 2


def test_a_targeted_arm_needs_an_experiment(tmp_path: Path) -> None:
    config = WorldConfig.small(attacks={"targeted_arm": 0.1})
    with pytest.raises(ValueError, match="targeted_arm needs an A/B test"):
        simulate(config, tmp_path)


def test_a_share_is_read_from_the_command_line() -> None:
    assert AttackShare.parse("burst_bots:0.2") == AttackShare(name="burst_bots", share=0.2)


@pytest.mark.parametrize("text", ["slow:0.1", "", ":0.1", "slow-drip:0.1"])
def test_an_unknown_attack_is_answered_with_the_names(text: str) -> None:
    with pytest.raises(ValueError, match=r"attacks are burst_bots, slow_drip, .*replay_flood"):
        AttackShare.parse(text)


@pytest.mark.parametrize("share", ["", "0", "-0.1", "0.91", "nan", "much", "inf"])
def test_a_share_outside_its_bounds_says_the_rule(share: str) -> None:
    with pytest.raises(ValueError, match=r"must be a share of all loves in \(0, 0.9\]"):
        AttackShare.parse(f"slow_drip:{share}")


def test_attacks_must_leave_loves_to_people() -> None:
    many = [AttackShare(name="slow_drip", share=0.5), AttackShare(name="burst_bots", share=0.45)]
    with pytest.raises(ValueError, match=r"0\.95 of all loves, must be under"):
        check_shares(many)


def test_an_attack_has_one_share() -> None:
    with pytest.raises(ValueError, match="slow_drip is named twice"):
        check_shares([AttackShare(name="slow_drip", share=0.1)] * 2)
