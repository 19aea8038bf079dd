"""A figure with its interval: what every measurement of ours comes with."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Estimate(NamedTuple):
    """A figure with its 95 % interval.

    >>> str(Estimate(0.8, 0.7123, 0.9))
    '0.800 [0.712, 0.900]'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"
