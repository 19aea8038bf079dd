"""What the settings of an experiment may be: levels, shares, plans. Every message has what was seen, and the rule.

A setting that is not a number (NaN) passes every comparison that is written the wrong way round, so each rule here asks
for what is allowed and never for what is not.
"""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

_SUM = 1e-6
"""How far from 1 shares may sum: three thirds, written with seven digits, are a whole."""


def level(name: str, value: Any, example: str) -> float:
    """A chance or a level: strictly between 0 and 1.

    >>> level("power", 80, "0.8 for 80 %")
    Traceback (most recent call last):
    ValueError: power == 80, must be in (0, 1): 0.8 for 80 %

    Raises:
        ValueError: It is not, or no number.
    """
    if not (_is_number(value) and 0 < value < 1):
        raise ValueError(f"{name} == {value!r}, must be in (0, 1): {example}")
    return float(value)


def positive(name: str, value: Any, hint: str) -> float:
    """A finite number above 0.

    Raises:
        ValueError: It is not.
    """
    if not (_is_number(value) and 0 < value < math.inf):
        raise ValueError(f"{name} == {value!r}, must be a positive number: {hint}")
    return float(value)


def lift(name: str, value: Any) -> float:
    """A relative lift: finite, above -1.

    Raises:
        ValueError: It is not.
    """
    if not (_is_number(value) and -1 < value < math.inf):
        raise ValueError(f"{name} == {value!r}, must be a number above -1: 0.1 for +10 %, -0.1 for a tenth less")
    return float(value)


def shares(arms: Mapping[str, Any], name: str = "shares") -> dict[str, float]:
    """Shares of the users by arm: each in (0, 1], together 1.

    >>> shares({"a": 50, "b": 50})
    Traceback (most recent call last):
    ValueError: shares == {'a': 50, 'b': 50}, must each be in (0, 1] and sum to 1: per cent over 100, as in 0.5 for 50 %

    Raises:
        ValueError: They are not.
    """
    rule = f"{name} == {dict(arms)}, must each be in (0, 1] and sum to 1"
    if not arms or not all(_is_number(share) and math.isfinite(share) for share in arms.values()):
        raise ValueError(f"{rule}: 0.5 for half of the users")
    total = sum(arms.values())
    if math.isclose(total, 100, abs_tol=1):
        raise ValueError(f"{rule}: per cent over 100, as in 0.5 for 50 %")
    if not all(0 < share <= 1 for share in arms.values()):
        raise ValueError(f"{rule}: an arm that nobody was to get is no arm, leave it out")
    if not math.isclose(total, 1, abs_tol=_SUM):
        raise ValueError(f"{rule}, they sum to {total:g}: name every arm with the share that it was assigned by")
    return {arm: float(share) for arm, share in arms.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
