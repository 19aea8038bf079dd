"""Who is in which arm of a simulated A/B test, and who is served outside of it."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.synthetic.people.day import NO_ARM

Ints = NDArray[np.int64]

OUTSIDE: Final = ("out", "holdout")
"""What an assignment says of users who are in no arm: the control's policy serves them, and no event names the test."""


def placed(ids: Sequence[str], assign: Callable[[str], str], arms: Sequence[str]) -> Ints:
    """The number of each user's arm, int64[n]; `NO_ARM` for those outside.

    >>> placed(["ada", "bob"], {"ada": "treatment", "bob": "holdout"}.__getitem__, ["control", "treatment"]).tolist()
    [1, -1]

    Args:
        ids: Users; each is asked for once.
        assign: Gives an arm's name, or one of `OUTSIDE`.
        arms: Those that have answers.

    Raises:
        ValueError: It names an arm that has no answers.
    """
    numbers = {arm: number for number, arm in enumerate(arms)} | dict.fromkeys(OUTSIDE, NO_ARM)
    names = [assign(user) for user in ids]
    unknown = sorted(set(names) - numbers.keys())
    if unknown:
        raise ValueError(
            f"assign gave {unknown}, must be one of {', '.join(arms)}, the arms with answers, or {' or '.join(OUTSIDE)}"
        )
    return np.array([numbers[name] for name in names], np.int64)


def control_of(arms: Sequence[str]) -> int:
    """Number of the arm whose policy serves everybody outside: the one called control, else the first."""
    return arms.index("control") if "control" in arms else 0
