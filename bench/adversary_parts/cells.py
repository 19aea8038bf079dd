"""Which worlds are measured: every attack at every share, none, and all of them at once."""

from __future__ import annotations

from typing import NamedTuple

from streams.synthetic import shares
from streams.synthetic.shares import AttackShare

ATTACKS = tuple(name for name in shares.NAMES if name not in shares.UNSEEN)
"""The filter was written with these in mind."""
UNSEEN: tuple[str, ...] = shares.UNSEEN
"""These were written after the filter was frozen, and nobody tuned anything to them."""
SHARES = (0.01, 0.05, 0.2)
"""Of all loves of the stream."""
TOGETHER = 0.025
"""Share of each attack in the world that suffers all of `ATTACKS`."""
NONE, ALL = "none", "together"


class Cell(NamedTuple):
    """One world of one seed.

    Attributes:
        name: Also its folder's.
        attacks: What comes on top of the honest world.
    """

    name: str
    attacks: tuple[AttackShare, ...]


def cells(only: tuple[str, ...], of_all: tuple[float, ...] = SHARES) -> list[Cell]:
    """All cells of a seed.

    Args:
        only: Names out of `ATTACKS`, `UNSEEN`, `NONE` and `ALL`.
        of_all: Shares of each single attack.

    >>> [cell.name for cell in cells(("none", "slow_drip"))]
    ['none', 'slow_drip-0.01', 'slow_drip-0.05', 'slow_drip-0.2']
    """
    found = [Cell(NONE, ())] if NONE in only else []
    singles = [name for name in (*ATTACKS, *UNSEEN) if name in only]
    found += [Cell(f"{name}-{share:g}", (AttackShare(name=name, share=share),)) for name in singles for share in of_all]
    if ALL in only:
        found.append(Cell(ALL, tuple(AttackShare(name=name, share=TOGETHER) for name in ATTACKS)))
    return found
