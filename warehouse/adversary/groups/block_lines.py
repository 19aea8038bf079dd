"""The threshold of dense blocks: the densest blocks among the same loves, assigned to other users at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from warehouse.adversary.groups.co_reactions import Ints
from warehouse.adversary.groups.dense_blocks import Block, C, blocks, column_weights

MOST = 8
"""Blocks that are looked for, one after the other."""
LEAST = 3
"""Users that make a block worth naming."""
LEAST_VISITS = 3
"""Of a user who is looked at: people who come twice for one subject do so by taste."""
ROUNDS = 4
FAR = 1.1
"""Lines above which a block leaves the null: were one that is there by chance to leave, the next line would be mild."""
_EULER = 0.5772156649


class Deeds(NamedTuple):
    """Who chose what; a deed may have several sides (the prompt and the response of a love).

    Attributes:
        user: int64 [n].
        visit: What was chosen in one visit hangs together (people stay with a subject), so that visits are what chance
            deals; numbered from 0, each of one user, int64 [n].
        sides: Objects of each side, int64 [n] each, numbered together from 0; -1 for none.
    """

    user: Ints
    visit: Ints
    sides: Sequence[Ints]

    def edges(self) -> tuple[Ints, Ints]:
        """Users and objects of the bipartite graph, each pair once."""
        users = np.concatenate([self.user[side >= 0] for side in self.sides])
        objects = np.concatenate([side[side >= 0] for side in self.sides])
        edges = np.unique(np.stack([users, objects]), axis=1)
        return edges[0], edges[1]

    def blocks(self, most: int) -> list[Block]:
        """Dense blocks of the users with at least `LEAST_VISITS`, by the popularity that all give to objects."""
        users, objects = self.edges()
        if not len(users):
            return []
        weights = column_weights(objects)
        busy = np.bincount(self.visits().user)[users] >= LEAST_VISITS
        return blocks(users[busy], objects[busy], most=most, least_users=LEAST, weights=weights)

    def of(self, kept: NDArray[np.bool_]) -> Deeds:
        """Some of the deeds."""
        return Deeds(self.user[kept], self.visit[kept], [side[kept] for side in self.sides])

    def visits(self) -> Deeds:
        """The first deed of each visit."""
        first = np.unique(self.visit, return_index=True)[1]
        return Deeds(self.user[first], self.visit[first], [side[first] for side in self.sides])


class BlockSearch(NamedTuple):
    """What the search for blocks found.

    Attributes:
        blocks: Denser than the line, in the order in which they were found, with the users who are `members` alone.
        line: What g must pass, by the null without the users of these blocks.
    """

    blocks: list[Block]
    line: float


def find(deeds: Deeds, *, budget: float, draws: int = 20, seed: int = 0) -> BlockSearch:
    """Blocks denser than chance makes them, at an expected loss of `budget` of all deeds.

    1. Look for up to `MOST` blocks.
    2. Deal the deeds anew `draws` times and lay the line (`line`).
    3. Do 2. again without the members of blocks far above the line, until no block joins.
    """
    found = BlockSearch([], math.inf)
    if not len(deeds.user):
        return found
    whole = deeds.blocks(MOST)
    trimmed = (block._replace(users=members(deeds, block, budget)) for block in whole)
    candidates = [block for block in trimmed if len(block.users) >= LEAST]
    for _ in range(ROUNDS):
        far = [block.users for block in found.blocks if block.g > FAR * found.line]
        rest = deeds.of(~np.isin(deeds.user, np.concatenate([np.zeros(0, np.int64), *far])))
        if not len(rest.user):
            break
        above = line(rest, budget, draws, seed)
        before, found = far, BlockSearch([block for block in candidates if block.g > above], above)
        if sum(block.g > FAR * above for block in found.blocks) == len(before):
            break
    return found


def members(deeds: Deeds, block: Block, budget: float) -> Ints:
    """The users of a block who chose its objects more often than others do, beyond chance.

    A dense block draws in honest users who chose something of it once or twice. One who chooses like the users outside,
    a share q of whose visits touch the block's objects, has k of n visits there with the chance P(Binomial(n, q) >= k);
    members are those for whom it is at most `budget`. Whatever a block looks like, it costs an honest user no more.
    """
    touched = np.any([np.isin(side, block.objects) for side in deeds.sides], axis=0)
    visits = deeds.visits()
    inside = np.isin(visits.visit, deeds.visit[touched])
    mine = np.isin(visits.user, block.users)
    share = (inside[~mine].sum() + 1.0) / ((~mine).sum() + 2.0)
    users = int(deeds.user.max()) + 1
    all_of = np.bincount(visits.user, minlength=users)[block.users]
    there = np.bincount(visits.user[inside], minlength=users)[block.users]
    kept: Ints = block.users[(there >= LEAST_VISITS) & (binom.sf(there - 1, all_of, share) <= budget)]
    return kept


def line(deeds: Deeds, budget: float, draws: int, seed: int) -> float:
    """The g that the densest block of deeds dealt anew passes so rarely that it costs at most `budget` of them.

    The greatest of many nearly independent densities follows a Gumbel law, fitted by moments to the draws: `budget` is
    met far beyond what so few draws show themselves. P(g > line) = budget / (share of the deeds in such a block).
    """
    best, sizes = [], []
    for draw in range(draws):
        dealt = deal(deeds, np.random.default_rng([seed, draw]))
        found = dealt.blocks(1)
        if found:
            best.append(found[0].g)
            sizes.append(float(np.isin(dealt.user, found[0].users).mean()))
    tree = 1.0 / math.log(1 + C)  # g of a great star: one user who chose many things that nobody else did
    if not best:
        return tree
    chance = min(0.5, budget / max(float(np.mean(sizes)), budget))
    scale = float(np.std(best)) * math.sqrt(6) / math.pi
    gumbel = float(np.mean(best)) - _EULER * scale - scale * math.log(-math.log1p(-chance))
    return max(tree, gumbel, *best)


def deal(deeds: Deeds, random: np.random.Generator) -> Deeds:
    """The same visits by other users: what users do who do not agree on objects.

    Every user keeps how many visits they made, every object its popularity, every visit its deeds. Dealing days, as the
    null of lockstep groups does, would leave the graph as it is. Dealing among equally popular objects alone would give
    a large farm its own targets back, which are as popular as it makes them.
    """
    visits = deeds.visits()
    user = random.permutation(visits.user)
    return deeds._replace(user=user[np.searchsorted(visits.visit, deeds.visit)])
