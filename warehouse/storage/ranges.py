"""Few ranges that cover many values: what a batch touches, told to the database so that history is not read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cover(ordered: NDArray[np.int64], *, apart: int, most: int) -> list[tuple[int, int]]:
    """Split sorted values at their widest gaps: one straggler must not stretch a range over all of history.

    Args:
        ordered: Values in ascending order, int64[n].
        apart: Only gaps wider than this are split.
        most: Ranges at most.

    Returns:
        (first, last) indices into `ordered`, ascending, both inclusive.

    >>> cover(np.array([1, 2, 3, 90, 91, 500]), apart=10, most=2)
    [(0, 4), (5, 5)]
    """
    if not len(ordered):
        return []
    gaps = np.diff(ordered)
    wide = np.flatnonzero(gaps > apart)
    cuts = np.sort(wide[np.argsort(gaps[wide], kind="stable")[::-1][: most - 1]])
    firsts, lasts = [0, *(cuts + 1).tolist()], [*cuts.tolist(), len(ordered) - 1]
    return list(zip(firsts, lasts, strict=True))
