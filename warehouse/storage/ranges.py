"""Cover many sorted values by few ranges, so that DuckDB skips the row groups outside of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def cover(ordered: NDArray[np.int64], *, apart: int, most: int) -> list[tuple[int, int]]:
    """Split sorted values at their widest gaps, so that one late value does not stretch a range over all of history.

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
