"""When a response is old enough that a missing love means something."""

from typing import Final

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
