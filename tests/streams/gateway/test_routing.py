"""Who gets which policy: by the file of routes while it changes, by the kill switch, and never by the client's word."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.assignment import Layout
from streams.gateway import routes
from streams.gateway.arm_switch import ArmSwitch
from streams.live.messages import Trip, pack
from tests.streams.gateway.conftest import Desk, Model, Opened, gateway, route, serving, until

HALF = {"control": 0.5, "treatment": 0.5}
LAYOUT = Layout("warmer", "2026", HALF)
POLICIES = {"v7": None, "v8": None}


def user_in(place: str, layout: Layout = LAYOUT) -> str:
    return next(name for name in map("u{}".format, range(10_000)) if layout.place(name) == place)


def never_off(experiment: str, arm: str) -> bool:
    return False


def served(desk: Desk, user: str, **more: Any) -> tuple[str, str | None, str | None]:
    told = desk.chat(user=user, **more).json["loveloop"]
    return told["policy"], told["experiment"], told["arm"]


def text(*experiments: dict[str, Any]) -> bytes:
    return json.dumps({"experiments": experiments}).encode()


def trip(bootstrap: str, names: topics.Topics, experiment: str, arm: str) -> None:
    from datetime import UTC, datetime

    from kafka import KafkaProducer

    told = Trip(
        experiment=experiment, arm=arm, metric="closing_rate", against="limit", rate=0.3, reference=0.1, served=900,
        log_evidence=20.0, alpha=0.001, tripped_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    producer = KafkaProducer(bootstrap_servers=bootstrap, batch_size=0)
    producer.send(names.kill_switch, key=told.key, value=pack([told])).get(10)
    producer.close()


def test_a_candidate_that_the_gateways_file_does_not_name_is_asked_of_the_server_of_the_others(
    opened: Opened, server: int
) -> None:
    bundles = {"control": {"policy": "v7"}, "treatment": {"policy": "love-0.3-d9d62d7d"}}
    with opened(f'[others]\nurl = "http://127.0.0.1:{server}/v1"\n') as desk:
        named = {"model": "love-0.3-d9d62d7d"}
        assert desk.chat(**named).status == 404  # until an experiment serves it
        desk.write_routes(route(bundles=bundles))
        user = next(name for name in map("p{}".format, range(10_000)) if LAYOUT.place(name) == "treatment")
        until(lambda: served(desk, user) == ("love-0.3-d9d62d7d", "warmer", "treatment"), 5)
        assert desk.model.asked[-1]["model"] == "love-0.3-d9d62d7d"
        listed = {each["id"]: each["loveloop"]["arm"] for each in desk.ask("/v1/models").json["data"]}
        assert listed == {"loveloop": None, "v7": "control", "v8": None, "love-0.3-d9d62d7d": "treatment"}
        assert served(desk, user, **named) == ("love-0.3-d9d62d7d", None, None)
        desk.write_routes()
        until(lambda: served(desk, user) == ("v7", None, None), 5)
        assert "love-0.3-d9d62d7d" not in {each["id"] for each in desk.ask("/v1/models").json["data"]}


def test_a_change_of_the_file_takes_effect_without_a_restart(desk: Desk) -> None:
    user = user_in("treatment")
    assert served(desk, user) == ("v7", None, None)
    desk.write_routes(route())
    until(lambda: served(desk, user) == ("v8", "warmer", "treatment"), 5)
    assert served(desk, user_in("control")) == ("v7", "warmer", "control")
    assert [event["arm"] for event in desk.events(user) if "arm" in event] == ["treatment"]
    desk.write_routes(route(coverage=0.0))
    until(lambda: served(desk, user) == ("v7", None, None), 5)


@pytest.mark.parametrize("broken", ["{", "[]", '{"experiments": [{"name": "x"}]}', None])
def test_a_broken_file_keeps_the_last_good_one_and_is_told(desk: Desk, broken: str | None) -> None:
    user = user_in("treatment")
    desk.write_routes(route())
    until(lambda: served(desk, user)[1], 5)
    file = desk.folder / "routes.json"
    if broken is None:
        file.unlink()
    else:
        file.write_text(broken)
    told = until(lambda: desk.ask("/health").json["routes"]["error"], 5)
    assert "routes.json" in told
    assert served(desk, user) == ("v8", "warmer", "treatment")
    assert b"loveloop_gateway_routes_good 0.0" in desk.ask("/metrics").body
    desk.write_routes(route())
    until(lambda: desk.ask("/health").json["routes"]["error"] is None, 5)


def test_a_client_chooses_neither_experiment_nor_arm(desk: Desk) -> None:
    desk.write_routes(route())
    user = user_in("control")
    until(lambda: served(desk, user)[1], 5)
    claims = {"experiment": "warmer", "arm": "treatment", "policy": "v8"}
    assert served(desk, user, **claims, headers={"X_Loveloop_Arm": "treatment"}) == ("v7", "warmer", "control")
    assert desk.chat(user=user, loveloop={"arm": "treatment"}).status == 400


def test_a_policy_that_is_asked_for_by_name_is_in_no_experiment(desk: Desk) -> None:
    desk.write_routes(route())
    user = user_in("control")
    until(lambda: served(desk, user)[1], 5)
    assert served(desk, user, model="v8") == ("v8", None, None)


def test_the_models_tell_digest_experiment_and_revision(desk: Desk) -> None:
    desk.write_routes(route())
    until(lambda: desk.ask("/health").json["routes"]["experiments"], 5)
    listed = desk.ask("/v1/models").json
    assert [each["id"] for each in listed["data"]] == ["loveloop", "v7", "v8"]
    told = {"digest": "digest of v8", "experiment": "warmer", "arm": "treatment", "revision": 3, "served": None}
    assert listed["data"][2]["loveloop"] == told
    assert listed["data"][0]["loveloop"] == dict.fromkeys(told)


def test_an_experiment_is_held_back_while_an_arm_is_served_by_other_files(
    tansu: str, stream: topics.Topics, tmp_path: Path
) -> None:
    model, user = Model(), user_in("treatment")
    model.digests = {"v7": "digest of v7", "adapter-8": "digest of v8"}
    (tmp_path / "routes.json").write_bytes(text(route()))
    with serving(model.app()) as server:
        with gateway(tmp_path, tansu, stream, model, server) as desk:
            until(lambda: desk.ask("/ready").status == 200)
            assert served(desk, user) == ("v8", "warmer", "treatment")
            assert desk.ask("/v1/models").json["data"][2]["loveloop"]["served"] == "digest of v8"
            model.digests["adapter-8"] = "of changed files"
            told = until(lambda: desk.ask("/health").json["held_back"].get("warmer"), 8)
            assert "was started with v8 of digest digest of v8"[:45] in told
            assert "its server serves of changed f" in told
            assert b"loveloop_gateway_experiments_held_back 1.0" in desk.ask("/metrics").body
            assert served(desk, user) == ("v7", None, None)
            assert served(desk, user_in("control")) == ("v7", None, None)
            (shown,) = desk.ask("/operator/status").json["experiments"]
            assert shown["held_back"] == told
            assert all(arm["off"] for arm in shown["arms"])
            model.digests["adapter-8"] = "digest of v8"
            until(lambda: served(desk, user) == ("v8", "warmer", "treatment"), 8)
        model.digests["v7"] = "of other files"
        with gateway(tmp_path, tansu, stream, model, server) as again:  # held back from the first request on
            until(lambda: again.ask("/ready").status == 200)
            assert served(again, user) == ("v7", None, None)


def test_the_kill_switch_takes_an_arm_out_within_seconds(opened: Opened) -> None:
    user = user_in("treatment")
    with opened() as desk:
        desk.write_routes(route())
        until(lambda: served(desk, user) == ("v8", "warmer", "treatment"), 5)
        trip(desk.bootstrap, desk.names, "warmer", "treatment")
        until(lambda: served(desk, user) == ("v7", None, None), 5)
        assert served(desk, user_in("control")) == ("v7", "warmer", "control")
        assert "experiment" not in desk.events(user)[-1]
    with opened() as desk:  # what tripped before the start is known at the first request
        desk.write_routes(route())
        until(lambda: served(desk, user_in("control"))[1], 5)
        assert served(desk, user) == ("v7", None, None)


def test_a_follower_of_the_switch_that_ended_is_replaced_and_what_it_knew_stays(
    tansu: str, stream: topics.Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.create_topics(tansu, topics=stream)
    trip(tansu, stream, "warmer", "treatment")
    switch = ArmSwitch(tansu, stream)
    assert switch.is_off("warmer", "control")  # nothing is known yet
    switch.start()
    until(lambda: switch.ready)
    first = switch._switch

    def fail(*_: object) -> None:
        raise ConnectionError("the follower met what it cannot read")

    with monkeypatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda _: None)
        patch.setattr(first, "_poll", fail)
        until(lambda: switch._switch is not first)
    assert switch.is_off("warmer", "treatment")
    assert not switch.is_off("warmer", "control")
    trip(tansu, stream, "warmer", "control")
    until(lambda: switch.is_off("warmer", "control"))
    switch.close()


def test_the_first_experiment_by_name_in_which_a_user_has_an_arm_wins() -> None:
    later = route("zeal", salt="other", arms={"control": 0.5, "treatment": 0.5})
    table = routes.parse(text(later, route(coverage=0.5)), POLICIES)
    for user in map("u{}".format, range(200)):
        place = Layout("warmer", "2026", HALF, coverage=0.5).place(user)
        found = table.route(user, "v7", never_off)
        expected = ("zeal", Layout("zeal", "other", HALF).place(user)) if place == "out" else ("warmer", place)
        assert (found.experiment, found.arm) == expected


def test_users_of_the_holdout_get_the_default() -> None:
    table = routes.parse(text(route(holdout=0.5)), POLICIES)
    held = user_in("holdout", Layout("warmer", "2026", HALF, holdout=0.5))
    assert table.route(held, "v6", never_off) == ("v6", None, None)


def test_every_key_of_a_plan_that_routing_does_not_need_is_left_alone() -> None:
    bundle = {"policy": "v7", "folder": None, "digest": None, "note": "served elsewhere"}
    table = routes.parse(text(route(bundles={"control": bundle, "treatment": bundle}, metrics=[1])), POLICIES)
    assert table.experiments[0].written.bundles["control"].policy == "v7"


def test_what_the_experiments_own_commands_write_is_read() -> None:
    from assets.experiment.bundles import Bundle
    from assets.experiment.definition import Definition, values

    bundles = {"control": Bundle(policy="v7"), "warmer": Bundle(policy="v8", folder="/models/v8", digest="d")}
    made = Definition(salt="2026", arms={"control": 0.5, "warmer": 0.5}, coverage=0.4, holdout=0.1, bundles=bundles)
    table = routes.parse(text({"name": "tone", "revision": 2, **values(made)}), POLICIES)
    layout = Layout("tone", "2026", made.arms, coverage=0.4, holdout=0.1)
    for user in map("u{}".format, range(200)):
        found = table.route(user, "v7", never_off)
        assert (found.arm or "none") == {"out": "none", "holdout": "none"}.get(layout.place(user), layout.place(user))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arms": {"control": 0.5}}, "sum to 1|must"),
        ({"control": "nobody"}, "must be one of its arms"),
        ({"bundles": {"control": {"policy": "v7"}}}, "arm 'treatment' has no bundle"),
        ({"coverage": 2.0}, "coverage == 2.0"),
        ({"salt": ""}, "salt"),
        ({"start": 0.5}, "of no namespace"),
    ],
)
def test_an_experiment_that_cannot_be_followed_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        routes.parse(text(route(**change)), POLICIES)


def test_a_policy_without_a_server_is_named_with_the_cure() -> None:
    with pytest.raises(ValueError, match=r"no server answers for policy 'v8'.*\[backends\]"):
        routes.parse(text(route()), {"v7": None})


def test_an_experiment_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        routes.parse(text(route(), route()), POLICIES)


def test_a_file_that_comes_later_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "routes.json"
    followed = routes.RouteFile(file, POLICIES)
    assert followed.error is not None
    file.write_bytes(text(route()))
    followed.look()
    assert (followed.error, len(followed.table.experiments)) == (None, 1)


def test_a_file_of_the_same_size_and_another_moment_is_read(tmp_path: Path) -> None:
    file = tmp_path / "routes.json"
    file.write_bytes(text(route("aa")))
    followed = routes.RouteFile(file, POLICIES)
    file.write_bytes(text(route("bb")))
    os.utime(file, ns=(1, 1))
    followed.look()
    assert followed.table.experiments[0].written.name == "bb"
