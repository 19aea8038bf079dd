"""When Brownian motion first leaves the space between two boundaries: the law of the stopping of a test."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Floats = NDArray[np.float64]

_NODES, _REACH = 24.0, 8.0
"""Nodes of the density at each time, over the spread that a step adds; how many standard errors of it they cover. With
both, errors of chances are below 1e-5 of them."""


class Stops(NamedTuple):
    """When a test stops, as chances that rise with information.

    Attributes:
        information: Of each entry, rising.
        more: Chance that "more" (an effect above nothing) is shown by then.
        fewer: Chance that "fewer" is shown by then.
    """

    information: Floats
    more: Floats
    fewer: Floats

    def by(self, information: float = 1.0) -> float:
        """The chance that something is shown by this information."""
        return float(np.interp(information, self.information, self.more + self.fewer))

    def median(self) -> float:
        """Information at which half of the tests have shown something; infinity when fewer than half ever do."""
        shown = self.more + self.fewer
        return float(np.interp(0.5, shown, self.information)) if shown[-1] >= 0.5 else math.inf


def first_passage(times: Floats, bound: Floats, drift: float) -> tuple[Stops, Floats, Floats]:
    """The law of the first time at which `|W|` reaches a bound, looked at without a pause.

    The density of the paths that go on is carried from time to time on Gauss-Legendre nodes (Armitage, McPherson & Rowe
    1969), and each step takes the chance that a bridge between two points crosses the bound's chord. A concave bound
    lies above its chords: with times 10 % apart the chances of a mixture's boundary err upwards by less than .0001.

    >>> times = np.geomspace(0.001, 1, 100)
    >>> law, at, mass = first_passage(times, np.full(100, 2.2414), 0.0)
    >>> round(law.by(1.0), 4)  # reflection: 4 * (1 - Phi(2.2414)) = 0.05
    0.05

    Args:
        times: Rising by a tenth or so each, from one before anything is crossed. Finer steps take more nodes.
        bound: Of the same length, above 0.
        drift: Of the motion, per unit of time.

    Returns:
        The law; where the paths that go on are at the last time, and the chance at each of these points.
    """
    reach = np.minimum(bound, _REACH * np.sqrt(times) + abs(drift) * times)
    nodes, weights = np.polynomial.legendre.leggauss(_nodes(times))
    at = reach[0] * nodes
    mass = weights * reach[0] * _normal(at - drift * times[0], times[0])
    more, fewer = np.zeros(len(times)), np.zeros(len(times))
    more[0], fewer[0] = ndtr((np.array([drift, -drift]) * times[0] - bound[0]) / math.sqrt(times[0]))
    for i in range(1, len(times)):
        step, before, after = times[i] - times[i - 1], bound[i - 1], bound[i]
        slope = (after - before) / step
        more[i] = mass @ _passage(before - at, drift - slope, step)
        fewer[i] = mass @ _passage(before + at, -drift - slope, step)
        to = reach[i] * nodes
        kernel = _normal(to[:, None] - at - drift * step, step)
        kernel *= -np.expm1(-2 * (after - to)[:, None] * (before - at) / step)
        kernel *= -np.expm1(-2 * (after + to)[:, None] * (before + at) / step)
        mass, at = weights * reach[i] * (kernel @ mass), to
    return Stops(times, np.cumsum(more), np.cumsum(fewer)), at, mass


def _nodes(times: Floats) -> int:
    finest = float(np.min(1 - times[:-1] / times[1:], initial=1.0))
    return math.ceil(_NODES / math.sqrt(finest))


def _normal(distance: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    return np.exp(-(distance**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


def _passage(distance: NDArray[np.float64], drift: float, time: float) -> NDArray[np.float64]:
    """The chance that Brownian motion with drift covers a distance within a time (inverse Gaussian law)."""
    root = math.sqrt(time)
    late = np.exp(2 * drift * distance + log_ndtr((-distance - drift * time) / root))
    return np.asarray(ndtr((drift * time - distance) / root) + late, dtype=np.float64)
