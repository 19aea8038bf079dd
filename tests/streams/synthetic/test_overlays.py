import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streams.fixtures import Worlds
from streams.synthetic import WorldConfig, overlays, simulate
from streams.synthetic.shares import NAMES, AttackShare

PLAIN = WorldConfig.small(base_love_rate=0.05, experiment={})
EVERY = dict.fromkeys(NAMES, 0.08)


def lines(out: Path) -> list[bytes]:
    return (out / "events.ndjson").read_bytes().splitlines()


@pytest.fixture(scope="module")
def honest(loveloop_world: Worlds) -> Path:
    return loveloop_world(PLAIN).out


@pytest.fixture(scope="module")
def attacked(loveloop_world: Worlds) -> Path:
    return loveloop_world(WorldConfig(**PLAIN.model_dump() | {"attacks": EVERY})).out


@pytest.mark.slow
def test_people_write_the_same_lines_in_the_same_order_whatever_the_attacks_do(honest: Path, attacked: Path) -> None:
    foul = pq.read_table(attacked / "truth" / "responses.parquet", columns=["attack"])["attack"].to_pylist()
    assert set(foul) == {None, *NAMES}
    calm = lines(honest)
    rest = iter(lines(attacked))
    assert all(line in rest for line in calm)  # a subsequence
    assert len(lines(attacked)) > len(calm) + 100


def test_the_truth_about_people_is_the_same_whatever_the_attacks_do(honest: Path, attacked: Path) -> None:
    for name in ("responses", "loves"):
        calm, foul = (pq.read_table(out / "truth" / f"{name}.parquet").to_pylist() for out in (honest, attacked))
        assert calm == [row for row in foul if row["attack"] is None]


def test_an_attack_has_the_share_of_loves_that_was_asked_for(attacked: Path) -> None:
    amounts = json.loads((attacked / "amounts.json").read_text())
    told = {each["name"]: each for each in json.loads((attacked / "truth" / "attacks.json").read_text())}
    assert amounts["attack_loves"].keys() == told.keys() == set(NAMES)
    due = round(0.08 / (1 - 0.08 * len(NAMES)) * 0.05 * 2_000)
    for name, loves in amounts["attack_loves"].items():
        assert told[name]["loves"] == loves > 0
        if name != "targeted_arm":  # it waits for its arm's answers to appear: three days are too short for all of it
            assert loves == pytest.approx(due, abs=3), name
        assert amounts["attack_users"][name] == told[name]["accounts"] > 0
        assert told[name]["target"]


def test_a_cell_holds_what_its_attacks_add_to_the_honest_world_and_nothing_else(honest: Path, tmp_path: Path) -> None:
    cells = {
        "drip": (AttackShare(name="slow_drip", share=0.2),),
        "both": (AttackShare(name="burst_bots", share=0.1), AttackShare(name="hijacked_accounts", share=0.1)),
    }
    amounts = overlays(PLAIN, cells, tmp_path)
    assert lines(tmp_path / "honest") == lines(honest)
    for cell, attacks in cells.items():
        simulate(WorldConfig(**PLAIN.model_dump() | {"attacks": attacks}), tmp_path / "whole")
        assert sorted(lines(tmp_path / "honest") + lines(tmp_path / cell)) == sorted(lines(tmp_path / "whole"))
        assert amounts[cell].honest_loves == 0
        assert amounts[cell].events == len(lines(tmp_path / cell)) > 0
        assert (tmp_path / cell / "truth" / "users.parquet").exists()


def test_an_attack_does_the_same_whatever_other_attacks_there_are(tmp_path: Path) -> None:
    alone = (AttackShare(name="lockstep_farm", share=0.1),)
    beside = (*alone, AttackShare(name="burst_bots", share=0.0001))
    overlays(PLAIN, {"alone": alone, "beside": beside}, tmp_path)
    told = [
        [
            row
            for row in pq.read_table(tmp_path / cell / "truth" / "loves.parquet").to_pylist()
            if row["attack"] == "lockstep_farm"
        ]
        for cell in ("alone", "beside")
    ]
    assert told[0] == told[1]
    assert told[0]


def test_the_honest_world_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'honest' is the name of the world without attacks"):
        overlays(PLAIN, {"honest": ()}, tmp_path)


def test_arms_are_sticky_and_about_half(honest: Path) -> None:
    rows = pq.read_table(honest / "truth" / "responses.parquet", columns=["user_id", "arm"]).to_pylist()
    arm = {row["user_id"]: row["arm"] for row in rows}
    assert all(arm[row["user_id"]] == row["arm"] for row in rows)
    assert 0.35 < sum(each == "treatment" for each in arm.values()) / len(arm) < 0.65
