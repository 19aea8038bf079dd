"""The majority-vote model on a two-layer multiplex network (Peng & Porter, arXiv 2206.13416).

Every node holds the opinion +1 or -1. A node that votes looks at the majority of its neighbours on each layer. Where
the two agree, that is the call; where they differ, the call is the first layer's with probability `preference` (the
paper's layer-preference parameter) and the second layer's otherwise. The node adopts the call with probability
1 - `noise`, else its opposite (Oliveira, J. Stat. Phys. 66, 1992).

From the paper's abstract: two opinions, two layers, one community on each layer with correlated memberships, the
layer-preference parameter, and three kinds of steady state (fully mixed, consensus, polarised), of which the last is
reached in wider ranges of the other parameters when the layers' communities are more correlated. We had the abstract
alone, so these details are ours and may differ from the paper's: noise as Oliveira has it; ties, and layers without
neighbours, are fair coins; in one step every node votes with probability 1/2, all at the same moment (voting one by one
in random order would be slow, and all at once makes the opinions swing); the regimes are told apart by the means of the
communities (`regime`).
"""

from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.social.multiplex import Layer, Multiplex

Opinions = NDArray[np.int8]

VOTES: Final = 0.5
"""Share of the nodes that vote in one step."""
LEANS: Final = 0.3
"""A community whose mean opinion is farther from 0 than this has taken a side."""

Regime = Literal["mixed", "consensus", "polarised"]


class Vote(NamedTuple):
    """How a node votes.

    Attributes:
        noise: Chance to vote against the call, in [0, 1/2].
        preference: Chance that the first layer's majority is the call where the majorities differ, in [0, 1].
    """

    noise: float
    preference: float


def step(opinion: Opinions, network: Multiplex, vote: Vote, rng: np.random.Generator) -> Opinions:
    """One round of votes.

    Args:
        opinion: int8[n], +1 or -1.
        network: Of n nodes.
        vote: How they vote.
        rng: The only source of chance.

    Returns:
        int8[n], the new opinions.
    """
    chance = rng.random((3, len(opinion)), dtype=np.float32)
    follows_first = chance[0] < vote.preference
    call = np.where(follows_first, *(_majority(opinion, layer, rng) for layer in network))
    adopted = np.where(chance[1] < vote.noise, -call, call)
    return np.where(chance[2] < VOTES, adopted, opinion).astype(np.int8)


def run(opinion: Opinions, network: Multiplex, vote: Vote, rng: np.random.Generator, steps: int) -> Opinions:
    """The opinions after so many rounds."""
    for _ in range(steps):
        opinion = step(opinion, network, vote, rng)
    return opinion


def regime(opinion: Opinions, network: Multiplex) -> Regime:
    """The kind of state that two communities are in, by the means of those who are in the same one on both layers.

    Both lean to the same side: consensus; to different sides: polarised; one of them to none: mixed.
    """
    first, second = (layer.community for layer in network)
    means = [float(opinion[(first == one) & (second == one)].mean()) for one in (0, 1)]
    if min(abs(mean) for mean in means) < LEANS:
        return "mixed"
    return "consensus" if means[0] * means[1] > 0 else "polarised"


def _majority(opinion: Opinions, layer: Layer, rng: np.random.Generator) -> Opinions:
    """What most neighbours hold, int8[n]; a fair coin where there is no majority."""
    balance = np.asarray(layer.links @ opinion.astype(np.float32))
    coin = rng.integers(0, 2, size=len(opinion), dtype=np.int8) * 2 - 1
    return np.where(balance == 0, coin, np.sign(balance)).astype(np.int8)
