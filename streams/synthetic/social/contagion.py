"""Two competing contagions that drive a third process, on the two layers of a multiplex network.

After Peng, Lu, Lin, Lindstrom, Parkinson, Wang, Bertozzi & Porter, arXiv 2107.01713. There, two opinions spread on one
layer, for and against keeping one's distance; who holds one is immune to the other. A disease spreads on the other
layer, and who is against catches it faster, who is for slower. Here the opinions are enthusiasm and disenchantment
about a product, and what spreads on the second layer is leaving it.

Opinions on the first layer, with `m_j` friends of node i who hold opinion j in {pro, anti}:

    neutral -> j      at rate  spread_j m_j(i) + spark_j(i)
    j -> neutral      at rate  forget        (or -> immune to both for good, with `immune`)

Leaving on the second layer, with `m` friends who are leaving:

    staying -> leaving  at rate  factor(i) (catch m(i)) + spark(i),   factor = slows (pro), 1, hastens (anti)
    leaving -> left     at rate  go
    left -> staying     at rate  win_back    (0: SIR)

From the paper's abstract: the two layers, competing opinions with mutual immunity, and the direction of the coupling.
We had the abstract alone, so these details are ours: opinions act on catching alone, not on passing on; opinions do not
see the disease; rates hold still for one step, so that a step of one unit of time moves a node with probability
`1 - exp(-total rate)`, to a competitor in proportion to its rate, at most once; sparks from outside (`spark`) and
`win_back`.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.social.multiplex import Layer

States = NDArray[np.int8]
Floats = NDArray[np.floating]

NEUTRAL, PRO, ANTI, IMMUNE = 0, 1, 2, 3
STAYING, LEAVING, LEFT = 0, 1, 2
NO_SPARK: Final = np.zeros(1)


class Opinion(NamedTuple):
    """Rates of the competing contagions, per step.

    Attributes:
        pro: Passed on by each friend who is for; `anti`: by each who is against.
        forget: Of no longer holding an opinion.
        immune: Whether who forgets is immune to both (SIR) or neutral again (SIS).
    """

    pro: float
    anti: float
    forget: float
    immune: bool = False


class Leaving(NamedTuple):
    """Rates of the second process, per step.

    Attributes:
        catch: Passed on by each friend who is leaving.
        go: From leaving to left.
        slows: Factor on catching for who is pro, at most 1; `hastens`: for who is anti, at least 1.
        win_back: From left to staying again.
    """

    catch: float
    go: float
    slows: float = 1.0
    hastens: float = 1.0
    win_back: float = 0.0


def spread_opinions(
    state: States,
    layer: Layer,
    rates: Opinion,
    rng: np.random.Generator,
    *,
    pro_spark: Floats = NO_SPARK,
    anti_spark: Floats = NO_SPARK,
) -> States:
    """One step of the competing contagions.

    Args:
        state: int8[n], NEUTRAL, PRO, ANTI or IMMUNE.
        layer: Where opinions pass.
        rates: See there.
        rng: The only source of chance.
        pro_spark: Rate from outside at which a neutral node turns pro, [n] or [1].
        anti_spark: Rate from outside at which it turns anti.

    Returns:
        int8[n], the new states.
    """
    pro = rates.pro * layer.among_friends(state == PRO) + pro_spark
    anti = rates.anti * layer.among_friends(state == ANTI) + anti_spark
    chance, which = rng.random((2, len(state)))
    caught = (state == NEUTRAL) & (chance < -np.expm1(-(pro + anti)))
    forgets = ((state == PRO) | (state == ANTI)) & (chance < -np.expm1(-rates.forget))
    opinion = np.where(which * (pro + anti) < pro, PRO, ANTI)
    return np.select([caught, forgets], [opinion, IMMUNE if rates.immune else NEUTRAL], state).astype(np.int8)


def spread_leaving(
    state: States,
    opinion: States,
    layer: Layer,
    rates: Leaving,
    rng: np.random.Generator,
    *,
    spark: Floats = NO_SPARK,
) -> States:
    """One step of leaving, driven by opinions.

    Args:
        state: int8[n], STAYING, LEAVING or LEFT.
        opinion: int8[n], states of the competing contagions.
        layer: Where leaving passes.
        rates: See there.
        rng: The only source of chance.
        spark: Rate from outside at which a staying node begins to leave, [n] or [1].

    Returns:
        int8[n], the new states.
    """
    factor = np.array([1.0, rates.slows, rates.hastens, 1.0])[opinion]
    caught = factor * rates.catch * layer.among_friends(state == LEAVING) + spark
    rate = np.choose(state, [caught, rates.go, rates.win_back])
    moves = rng.random(len(state)) < -np.expm1(-rate)
    return np.where(moves, (state + 1) % 3, state).astype(np.int8)
