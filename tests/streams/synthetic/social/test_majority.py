import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import t

from streams.synthetic.social import majority
from streams.synthetic.social.majority import VOTES, Regime, Vote
from streams.synthetic.social.multiplex import Layer, Multiplex, draw_multiplex

NODES = 1_000


def two_communities(seed: int, *, homophily: float, correlation: float) -> Multiplex:
    dials = {"friends": 12.0, "homophily": homophily, "correlation": correlation}
    return draw_multiplex(np.random.default_rng(seed), NODES, communities=2, **dials)


def settled(seed: int, *, homophily: float, correlation: float, noise: float, opposed: bool = True) -> Regime:
    """The regime after 150 rounds, from communities of opposite opinions, or from tossed ones."""
    network = two_communities(seed, homophily=homophily, correlation=correlation)
    rng = np.random.default_rng([seed, 1])
    opinion = network.first.community * 2 - 1 if opposed else rng.integers(0, 2, size=NODES) * 2 - 1
    vote = Vote(noise, preference=0.5)
    return majority.regime(majority.run(opinion.astype(np.int8), network, vote, rng, 150), network)


def torn(count: int) -> tuple[Multiplex, np.ndarray]:
    """`count` people whose one friend on the first layer is for and whose one friend on the second is against."""
    links = []
    for friend in (count, count + 1):
        matrix = np.zeros((count + 2, count + 2), np.float32)
        matrix[:count, friend] = 1
        links.append(csr_array(matrix))
    nobody = np.zeros(count + 2, np.int64)
    opinion = np.array([0] * count + [1, -1], np.int8)
    return Multiplex(*(Layer(nobody, each) for each in links)), opinion


@pytest.mark.parametrize("preference", [0.0, 0.3, 1.0])
def test_who_is_torn_between_layers_follows_the_first_as_often_as_it_is_preferred(preference: float) -> None:
    network, opinion = torn(2_000)
    after = majority.step(opinion, network, Vote(0.0, preference), np.random.default_rng(1))[:2_000]
    assert (after != 0).mean() == pytest.approx(VOTES, abs=0.05)
    assert (after[after != 0] == 1).mean() == pytest.approx(preference, abs=0.05)


def test_noise_is_the_chance_to_vote_against_the_call() -> None:
    network, opinion = torn(2_000)
    after = majority.step(opinion, network, Vote(0.2, 1.0), np.random.default_rng(1))[:2_000]
    assert (after[after != 0] == -1).mean() == pytest.approx(0.2, abs=0.04)


def test_nobody_leaves_a_unanimous_opinion_without_noise() -> None:
    network = draw_multiplex(np.random.default_rng(1), 300, communities=2, friends=40, homophily=0.5, correlation=0.5)
    for side in (-1, 1):
        opinion = np.full(300, side, np.int8)
        assert (majority.run(opinion, network, Vote(0.0, 0.5), np.random.default_rng(2), 5) == side).all()


def test_the_model_knows_no_difference_between_the_two_opinions() -> None:
    """Seen over many worlds: mirrored starts end in mirrored means."""
    network = two_communities(1, homophily=0.5, correlation=0.5)
    opinion = np.where(np.random.default_rng(2).random(NODES) < 0.6, 1, -1).astype(np.int8)
    ends = [
        np.mean(
            [majority.step(start, network, Vote(0.2, 0.5), np.random.default_rng(seed)).mean() for seed in range(30)]
        )
        for start in (opinion, -opinion)
    ]
    assert ends[0] == pytest.approx(-ends[1], abs=0.02)
    assert ends[0] > 0.1


def test_loud_noise_mixes_opinions_even_of_opposed_communities() -> None:
    assert settled(1, homophily=0.9, correlation=1.0, noise=0.38) == "mixed"


def test_little_noise_and_weak_communities_lead_to_consensus() -> None:
    assert settled(1, homophily=0.3, correlation=0.5, noise=0.1) == "consensus"
    assert settled(2, homophily=0.0, correlation=0.0, noise=0.1, opposed=False) == "consensus"


def test_little_noise_and_strong_correlated_communities_stay_polarised() -> None:
    assert settled(1, homophily=0.9, correlation=1.0, noise=0.1) == "polarised"


@pytest.mark.slow
def test_communities_that_agree_more_between_the_layers_are_polarised_in_a_wider_range() -> None:
    """The paper's main finding: share of a grid of homophily and noise that ends polarised, by seed."""
    grid = [(homophily, noise) for homophily in (0.55, 0.7, 0.85, 1.0) for noise in (0.04, 0.1, 0.16, 0.22)]
    shares = [
        [
            np.mean([settled(seed, homophily=h, correlation=c, noise=f) == "polarised" for h, f in grid])
            for c in (0.0, 0.5, 1.0)
        ]
        for seed in range(5)
    ]
    for gains in np.diff(np.array(shares), axis=1).T:
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        assert gains.mean() - t.ppf(0.975, len(gains) - 1) * error > 0.1
