"""Columns of numbers by user, checked before anything is estimated from them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Counted(NamedTuple):
    """What the users of a test did, row by row.

    Attributes:
        events: float64[rows], such as loves.
        exposures: float64[rows], what events are counted per; ones for a mean per user.
        treated: bool[rows], whether the row belongs to the treatment.
    """

    events: Floats
    exposures: Floats
    treated: Bools


def counted(events: Any, exposures: Any, arm: Any) -> Counted:
    """Check the three columns that every comparison of two arms is made from.

    >>> counted([1, 0], [10, 5], [0, 2])
    Traceback (most recent call last):
    ValueError: arm holds 2 (row 2), must be one of 0 and 1: 0 is the control, 1 the treatment

    Args:
        events: Numbers of at least 0, one for each row.
        exposures: The same.
        arm: 0 for the control, 1 for the treatment.

    Raises:
        ValueError: The columns differ in length, a number is negative or not finite, or an arm is none of the two.
    """
    x, y = amounts("events", events), amounts("exposures", exposures)
    dealt = codes("arm", arm, (0, 1), "0 is the control, 1 the treatment")
    same_length(events=x, exposures=y, arm=dealt)
    return Counted(x, y, dealt == 1)


def amounts(name: str, values: Any) -> Floats:
    """A column of numbers that are finite and not negative, as float64[rows].

    Raises:
        ValueError: One is not.
    """
    column = _column(name, values)
    _refuse(name, column, ~(np.isfinite(column) & (column >= 0)), "must be a number from 0 on: 0 where nothing was")
    return column


def codes(name: str, values: Any, allowed: Sequence[int], hint: str) -> Ints:
    """A column of few whole numbers with a meaning, as int64[rows].

    Raises:
        ValueError: One is not among those allowed.
    """
    column = _column(name, values)
    among = " and ".join(str(code) for code in allowed)
    _refuse(name, column, ~np.isin(column, allowed), f"must be one of {among}: {hint}")
    return column.astype(np.int64)


def numbers(name: str, values: Any, hint: str) -> Ints:
    """A column of whole numbers from 0 on, as int64[rows].

    Raises:
        ValueError: One is not.
    """
    column = _column(name, values)
    whole = np.isfinite(column) & (column >= 0) & (column == np.floor(column))
    _refuse(name, column, ~whole, f"must be a whole number from 0 on: {hint}")
    return column.astype(np.int64)


def same_length(**columns: NDArray[Any]) -> None:
    """Refuse columns that cannot be of the same rows.

    Raises:
        ValueError: They differ in length.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        seen = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise ValueError(f"columns of different lengths ({seen}), must be one value for each row in all of them")


def _column(name: str, values: Any) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise ValueError(f"{name} has the shape {column.shape}, must be one column: one number for each row")
    return column


def _refuse(name: str, column: Floats, wrong: Bools, rule: str) -> None:
    """Raise where a row is wrong; the first is named.

    Raises:
        ValueError: There is one.
    """
    rows = np.flatnonzero(wrong)
    if len(rows):
        more = f", {len(rows):,} such rows" if len(rows) > 1 else ""
        raise ValueError(f"{name} holds {column[rows[0]]:g} (row {rows[0] + 1:,}{more}), {rule}")
