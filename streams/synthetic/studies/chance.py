"""Chance by name: a draw belongs to who, when and what for, not to the order in which draws are made.

So a person's visits are the same in two worlds that differ in what others are shown, and until something that they are
shown differs, in two worlds that differ in that: worlds are compared person by person (common random numbers).
The numbers are those of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014), keyed by what a draw belongs to.
"""

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def key_of(*names: object) -> int:
    """The key of what these names name together; the same on every machine.

    >>> key_of(7, "warmer") == key_of(7, "warmer") != key_of(8, "warmer")
    True
    """
    return int.from_bytes(hashlib.sha256("/".join(map(str, names)).encode()).digest()[:8], "big")


def keyed(key: int | Keys, *numbers: Ints | int) -> Keys:
    """A key for each row of these columns, uint64[n].

    Args:
        key: What all rows have in common, or a key for each row.
        numbers: int64[n] or a number each; which of them is first matters.
    """
    found = np.atleast_1d(np.asarray(key, np.uint64))
    for column in numbers:
        found = _mixed(found ^ _mixed(np.atleast_1d(np.asarray(column)).astype(np.uint64)))
    return found


def uniform(keys: Keys, purpose: int) -> Floats:
    """A draw from (0, 1) for each key, float64[n]; another purpose gives an independent one.

    >>> draws = uniform(keyed(1, np.arange(100_000)), 3)
    >>> round(float(draws.mean()), 2), round(float(draws.std() * 12**0.5), 2)
    (0.5, 1.0)
    """
    bits = _mixed(keys ^ _mixed(np.array([purpose], np.uint64)))
    return np.asarray(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def normal(keys: Keys, purpose: int) -> Floats:
    """A standard normal draw for each key, float64[n], by the inverse of its distribution."""
    return np.asarray(ndtri(uniform(keys, purpose)), np.float64)


def _mixed(numbers: Keys) -> Keys:
    """SplitMix64's step and finaliser; it wraps around on purpose."""
    with np.errstate(over="ignore"):
        x = numbers + _STEP
        x = (x ^ (x >> np.uint64(30))) * _FIRST
        x = (x ^ (x >> np.uint64(27))) * _SECOND
        return np.asarray(x ^ (x >> np.uint64(31)))
