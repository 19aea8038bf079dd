from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from streams.synthetic import WorldConfig, simulate
from streams.synthetic.config import Experiment
from streams.synthetic.language.habits import INCUMBENT
from streams.synthetic.people.life import Life
from streams.synthetic.social import SocialConfig, Society
from streams.synthetic.social.contagion import ANTI, PRO
from streams.synthetic.studies.retention import lived_days

PEOPLE = 1_500


def society(seed: int = 1, **changes: float) -> Society:
    return Society(SocialConfig(**changes), PEOPLE, np.random.default_rng(seed))


def lived(one: Society, days: int, pleased: float | np.ndarray, seed: int = 5) -> Society:
    """After so many days on which a third of the people came, and were pleased with these chances."""
    rng = np.random.default_rng(seed)
    for day in range(days):
        came = np.flatnonzero(rng.random(PEOPLE) < 1 / 3)
        chances = np.broadcast_to(pleased, PEOPLE)[came]
        one.step(day, came, rng.random(len(came)) < chances)
    return one


def events(config: WorldConfig, out: Path) -> bytes:
    simulate(config, out)
    return (out / "events.ndjson").read_bytes()


def test_without_influence_nobody_changes_another_and_the_bytes_are_those_of_a_world_without_society(
    tmp_path: Path,
) -> None:
    alone = lived(society(influence=0.0), 10, 0.2)
    assert (alone.taste == 1).all()
    assert (alone.leaves == 1).all()
    assert not alone.brigade.any()
    plain = events(WorldConfig.small(), tmp_path / "plain")
    assert events(WorldConfig.small(social=SocialConfig(influence=0)), tmp_path / "mute") == plain
    social = WorldConfig.small(social=SocialConfig())
    assert events(social, tmp_path / "social") != plain
    assert events(social, tmp_path / "again") == (tmp_path / "social" / "events.ndjson").read_bytes()


def test_the_truth_about_users_tells_their_place_in_society(tmp_path: Path) -> None:
    events(WorldConfig.small(social=SocialConfig(community_size=50), attacks={"burst_bots": 0.2}), tmp_path)
    users = pq.read_table(tmp_path / "truth" / "users.parquet").to_pydict()
    people = [account is None or stolen for account, stolen in zip(users["attack"], users["stolen"], strict=True)]
    assert sum(people) == 200
    assert [community is not None for community in users["community"]] == people
    assert {c for c in users["community"] if c is not None} == {0, 1, 2, 3}
    assert {o for o in users["opinion"] if o is not None} <= {-1, 1}
    assert {m for m in users["mood"] if m is not None} <= {"neutral", "enthusiast", "disenchanted"}


def test_the_displeased_half_spoils_the_taste_and_the_stay_of_the_other_half() -> None:
    """The other half comes just as often and is pleased just as often in both societies."""
    half = np.arange(PEOPLE) < PEOPLE // 2
    glad, spoilt = (lived(society(), 20, np.where(half, 0.5, other)) for other in (0.9, 0.1))
    assert np.log(glad.taste[half]).mean() > np.log(spoilt.taste[half]).mean() + 0.3
    assert glad.leaves[half].mean() > spoilt.leaves[half].mean()
    mute = [lived(society(influence=0.0), 20, np.where(half, 0.5, other)) for other in (0.9, 0.1)]
    moods = [(one.mood[half] == PRO).mean() - (one.mood[half] == ANTI).mean() for one in mute]
    assert moods[0] == pytest.approx(moods[1], abs=0.05)


def test_a_balanced_society_loves_as_much_as_one_without_influence() -> None:
    one = society()
    one.opinion = np.where(np.arange(PEOPLE) % 2, 1, -1).astype(np.int8)
    one.mood = np.array([0, 0, PRO, PRO, ANTI, ANTI], np.int8)[np.arange(PEOPLE) % 6]
    assert one._felt()[0].mean() == pytest.approx(1)


def test_members_of_a_community_share_their_taste_more_than_chance_would_have_it() -> None:
    one = lived(society(), 15, 0.5)
    community = one.network.first.community
    taste = np.log(one.taste)
    means = np.bincount(community, taste) / np.bincount(community)
    by_chance = taste.std() / np.sqrt(PEOPLE / len(means))
    assert means.std() > 1.5 * by_chance


def test_a_response_about_nothing_rallies_nobody() -> None:
    one = lived(society(brigades=0.05), 3, 0.5)
    nothing = np.full(PEOPLE, -1, np.int64)
    assert (one.rally(np.full(PEOPLE, 0.3), np.arange(PEOPLE), nothing) == 0.3).all()


@pytest.mark.slow
def test_neighbours_carry_an_experiments_effect_into_the_other_arm() -> None:
    """A better treatment makes the control arm's friends love more than they do where nobody is treated."""
    better = INCUMBENT._replace(right=0.95, asks_back=0.8)

    def control_taste(seed: int, treatment: object, social: SocialConfig) -> float:
        test = Experiment(control=INCUMBENT, treatment=treatment)
        config = WorldConfig(seed=seed, responses=30_000, users=2_000, days=14, social=social, experiment=test)
        life = Life(config, np.random.default_rng(seed).spawn(2)[0])
        for number in range(config.days):
            for _ in life.live(number):
                pass
        assert life.society is not None
        return float(np.log(life.society.taste[life._arms == 0]).mean())

    social = SocialConfig(brigades=0.0)
    gains = [control_taste(seed, better, social) - control_taste(seed, INCUMBENT, social) for seed in range(4)]
    assert np.mean(gains) - 2 * np.std(gains, ddof=1) / np.sqrt(4) > 0


def test_retention_is_told_of_a_social_world_as_of_any_other() -> None:
    sizes = {"responses": 3_000, "users": 300, "days": 24}
    plain, social = (lived_days(WorldConfig(**sizes, social=one)) for one in (None, SocialConfig()))
    assert social.schema == plain.schema
    assert social.num_rows > 100
