"""What an A/B test says if the adversary filter has missed attackers: raw, filtered and worst case side by side.

The filter's flags come after treatment, and it finds only a share of the attackers. So a lift is read three times: with
everybody, without whom the filter holds back, and as if the `k` users who speak most for the treatment had been
attackers too. What holds in all three does not rest on `k` users, whoever they are.
"""

import math
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from stats import limits
from stats.estimate import Estimate
from stats.intervals import CONFIDENCE

RECALL: Final = Estimate(0.771, 0.57, 0.97)
"""Share of the loves of an attack on one arm that the filter finds when it costs 1 % of honest loves (`targeted_arm` in
docs/benchmarks.md). The mean over nine attacks is .962 [.938, .987]; the one that acts on a test is the hardest."""


class UserCounts(NamedTuple):
    """One row for each user of a test, arrays of shape [users].

    Attributes:
        loves: Of each user, or another count that the test is decided by.
        exposures: Of each user.
        arm: 0 for the control, 1 for the treatment.
    """

    loves: NDArray[Any]
    exposures: NDArray[Any]
    arm: NDArray[Any]


def missed(flagged: int, recall: Estimate = RECALL, *, confidence: float = CONFIDENCE) -> int:
    """How many attackers the filter may have missed in a test.

    On average `flagged / recall - flagged`. By chance more: the greatest `K - flagged` for which finding so few of `K`,
    each with the least recall, is no rarer than `1 - confidence`. So a filter that found nobody does not prove that
    nobody was there. Attackers are taken to be found one by one; a farm that is found or missed as a whole may be
    larger, and an attack unlike those that the recall was measured on may be missed altogether (docs/benchmarks.md).

    >>> [missed(flagged) for flagged in (0, 10)], missed(10, Estimate(0.962, 0.938, 0.987))
    ([3, 15], 2)

    Args:
        flagged: Users of the test whom the filter holds back, both arms.
        recall: The filter's, with its interval: the low end counts.
        confidence: One-sided.

    Raises:
        ValueError: A negative count, or a recall or confidence outside (0, 1]. The message has the rule.
    """
    if flagged < 0 or flagged != int(flagged):
        raise ValueError(
            f"flagged == {flagged}, must be a whole number from 0: count the users of the test in quarantine"
        )
    if not 0 < recall.low <= 1:
        raise ValueError(
            f"recall's low end == {recall.low}, must be in (0, 1]: without any recall nothing bounds attackers"
        )
    rare = 1 - limits.level("confidence", confidence, "0.95 for one underestimate in 20")
    if recall.low == 1:
        return 0
    attackers = math.ceil(flagged / recall.low)
    while bdtr(flagged, attackers + 1, recall.low) >= rare:
        attackers += 1
    return attackers - flagged


def worst_case(users: UserCounts, k: int, *, how: Literal["removed", "granted"] = "removed") -> UserCounts:
    """The test as if the `k` users who speak most for the treatment had been attackers.

    Chosen are at most `k` of the treatment such that the rate per exposure of those who stay is least over all choices:
    with `q` that rate, the users with the greatest `x - q y` above 0; `q` by Dinkelbach (1967). With one exposure each
    they are the `k` most loving ones. So whichever `k` users were attackers, the estimate without them is no smaller.

    >>> users = UserCounts(np.array([9, 1, 1, 0]), np.array([10, 10, 10, 10]), np.array([1, 1, 0, 0]))
    >>> worst_case(users, 1).loves.tolist(), worst_case(users, 1, how="granted").arm.tolist()
    ([1, 1, 0], [0, 1, 0, 0])

    Args:
        users: Of the test, as the filter leaves them.
        k: How many (see `missed`). Where the treatment has no more users than that, all but one are chosen.
        how: `removed` leaves them out: what an attacker did says nothing. `granted` counts them for the control: each
            had loved as much without the treatment, and only the dealing made it look like an effect. It is harsher.

    Raises:
        ValueError: Arrays that differ in length, an arm that is neither 0 nor 1, a count that is negative or no number,
            or a negative `k`.
    """
    stay = honest(users, k)
    if how == "granted":
        moved = np.array(users.arm)
        moved[~stay] = 0
        return UserCounts(users.loves, users.exposures, moved)
    if how != "removed":
        raise ValueError(f"how == {how!r}, must be 'removed' or 'granted'")
    return UserCounts(*(np.asarray(each)[stay] for each in users))


def honest(users: UserCounts, k: int) -> NDArray[np.bool_]:
    """Who is left in `worst_case` where attackers are removed, shape [users].

    Raises:
        ValueError: As `worst_case`.
    """
    x, y, arm = _checked(users)
    stay = np.ones(len(arm), dtype=bool)
    stay[_most_telling(x, y, np.flatnonzero(arm == 1), _whole(k))] = False
    return stay


def worst_walk(arms: NDArray[np.int8], k: int) -> NDArray[np.int8]:
    """The arms at users' first loves as if the `k` earliest lovers of the treatment stood in the control.

    At each lover the treatment's excess is then at most that of any walk in which `k` lovers or fewer are removed or
    counted for the control. So a boundary that rises with the number of lovers is crossed upwards no sooner than
    without these attackers, at any look.

    >>> worst_walk(np.array([1, 0, 1, 1], dtype=np.int8), 2).tolist()
    [0, 0, 0, 1]

    Args:
        arms: 0 (control) or 1 (treatment) of each user in the order of their first love, shape [lovers].
        k: See `missed`.

    Raises:
        ValueError: An arm that is neither 0 nor 1, or a negative `k`.
    """
    walk = np.array(arms, dtype=np.int8)
    if not np.isin(arms, (0, 1)).all():
        raise ValueError("an arm is neither 0 nor 1: 0 for the control, 1 for the treatment")
    walk[np.flatnonzero(walk == 1)[: _whole(k)]] = 0
    return walk


def _most_telling(
    x: NDArray[np.float64], y: NDArray[np.float64], treated: NDArray[np.intp], k: int
) -> NDArray[np.intp]:
    """Places of the treated users whom to remove, see `worst_case`. Each round lowers the rate, so it ends."""
    k = min(k, len(treated) - 1)
    if k <= 0:
        return treated[:0]
    x, y = x[treated], y[treated]
    chosen = np.zeros(0, dtype=np.intp)
    rate = math.inf
    while True:
        exposures = float(y.sum() - y[chosen].sum())
        lower = float(x.sum() - x[chosen].sum()) / exposures if exposures > 0 else 0.0
        if lower >= rate:
            return treated[chosen]
        rate = lower
        gain = x - rate * y
        chosen = np.argpartition(-gain, k - 1)[:k]
        chosen = chosen[gain[chosen] > 0]


def _checked(users: UserCounts) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    x, y = (np.asarray(each, dtype=np.float64) for each in users[:2])
    arm = np.asarray(users.arm)
    if not (x.shape == y.shape == arm.shape and x.ndim == 1):
        shapes = f"{x.shape}, {y.shape}, {arm.shape}"
        raise ValueError(f"loves, exposures and arm have shapes {shapes}, must be one number for each user in all")
    for name, values in (("loves", x), ("exposures", y)):
        wrong = np.flatnonzero(~((values >= 0) & np.isfinite(values)))
        if len(wrong):
            raise ValueError(f"{name} hold {values[wrong[0]]:g} (user {wrong[0] + 1}), must be finite and at least 0")
    if not np.isin(arm, (0, 1)).all():
        raise ValueError("an arm is neither 0 nor 1: 0 for the control, 1 for the treatment")
    return x, y, arm


def _whole(k: int) -> int:
    if k < 0 or k != int(k):
        raise ValueError(f"k == {k}, must be a whole number from 0: how many attackers may have been missed")
    return int(k)
