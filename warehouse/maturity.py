"""When a response is old enough that a missing love means something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LONGEST: Final = 87_600
"""Hours: ten years. More is no wait but a slip, and further back than time stamps reach."""


def age(hours: float) -> float:
    """The age, in hours, from which on a response counts; as it is given, once it is one.

    >>> age(float("nan"))
    Traceback (most recent call last):
    ValueError: maturity_hours == nan, must be a finite number of hours from 0 to 87,600: 24 waits for a day

    Raises:
        ValueError: Not a number, negative (a response would count before it was served), or more than ten years.
    """
    if not (isinstance(hours, int | float) and 0 <= hours <= LONGEST):
        rule = f"must be a finite number of hours from 0 to {LONGEST:,}: 24 waits for a day"
        raise ValueError(f"maturity_hours == {hours!r}, {rule}")
    return hours


def arrived(delays: npt.NDArray[np.float64], ages: npt.NDArray[np.float64], hours: float) -> npt.NDArray[np.float64]:
    """The chance that a love which comes within `hours` has come by each age: the delays' empirical distribution.

    Each end of the distribution is given one observation more, so that no age says 0: a row of chance 0 would teach
    nothing, and a love of such a row would be impossible.

    Args:
        delays: Hours from a response to its first love, of mature responses with a love, [loves].
        ages: Hours since a response was served, [rows].
        hours: The maturity; later loves are left out, as a mature response's label leaves them open.

    Returns:
        In (0, 1), [rows].

    >>> import numpy as np
    >>> arrived(np.array([0.1, 0.2, 3.0, 40.0]), np.array([0.05, 1.0, 5.0]), 24.0).round(2).tolist()
    [0.2, 0.6, 0.8]
    """
    import numpy as np

    within = np.sort(delays[delays <= hours])
    return np.asarray((np.searchsorted(within, ages, side="right") + 1) / (len(within) + 2))
