"""Do friends' arms sway a user? A check beside a test that was dealt by user, which reads a part of the effect then."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from experiments.columns import counted
from stats import limits


class Spillover(NamedTuple):
    """What treated friends do to a user.

    Attributes:
        z: Of the score, positive where users with more treated friends than were promised love more; NaN where nothing
            can be said.
        p: Two-sided, of no influence at all, for one look.
        links: Friendships between a user who is looked at and one whose arm is.
        words: All that in a sentence.
    """

    z: float
    p: float
    links: int
    words: str


def spillover(
    events: NDArray[np.float64],
    exposures: NDArray[np.float64],
    arm: NDArray[np.int8],
    edges: NDArray[np.int64],
    *,
    share: float,
    seed: int,
) -> Spillover:
    """Test that a user's reactions depend on no arm but their own (Athey, Eckles & Imbens 2018).

    Half of the users, drawn by chance, are looked at; of the others the arms are, which were dealt by chance. Under no
    influence what the first do is fixed whatever arms the second got. With `r_i = x_i - R_arm(i) y_i` of a user who is
    looked at, `c_j` the sum of `r_i` over j's friends among them and `s` the treatment's share,

        z = sum_j (T_j - s) c_j / sqrt(s (1 - s) sum_j c_j^2)

    has mean 0 and variance 1, and is about normal where many friendships count. It says that there is influence, not
    how large the total effect is: for that communities are dealt (`communities.by_community`).

    Args:
        events: Of each user, float64[users].
        exposures: The same.
        arm: int8[users], 0 for the control, 1 for the treatment.
        edges: int64[edges, 2], friends as places in these columns, each pair once.
        share: The treatment's of the users.
        seed: Of the halves.

    Raises:
        ValueError: Columns of different lengths, a number that cannot be, or a share outside (0, 1).
    """
    rows = counted(events, exposures, arm)
    s = limits.level("share", share, "0.5 for arms of one size")
    looked_at = np.random.default_rng(seed).random(len(rows.events)) < 0.5
    rest = np.zeros(len(rows.events))
    for treated in (False, True):
        own = looked_at & (rows.treated == treated)
        if rows.exposures[own].sum():
            rate = rows.events[own].sum() / rows.exposures[own].sum()
            rest[own] = rows.events[own] - rate * rows.exposures[own]
    both = np.concatenate([edges, edges[:, ::-1]]) if len(edges) else np.zeros((0, 2), np.int64)
    kept = both[looked_at[both[:, 0]] & ~looked_at[both[:, 1]]]
    pull = np.bincount(kept[:, 1], rest[kept[:, 0]], minlength=len(rest))
    size = math.sqrt(s * (1 - s) * float(pull @ pull))
    if not size:
        words = "nothing can be said of friends' influence: no friendship between users of the test who love"
        return Spillover(math.nan, 1.0, len(kept), words)
    z = float((rows.treated - s) @ pull) / size
    p = float(2 * ndtr(-abs(z)))
    return Spillover(z, p, len(kept), _words(z, p, len(kept)))


def _words(z: float, p: float, links: int) -> str:
    seen = f"z = {z:+.2f}, p = {p:.2g} over {links:,} friendships"
    if p >= 0.05:
        return f"no influence of friends' arms is shown ({seen})"
    return (
        f"users with more treated friends love {'more' if z > 0 else 'less'} ({seen}): a test by user reads a part of "
        "what treating everybody would do; deal the next one by communities"
    )
