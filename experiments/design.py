"""The columns of a regression: a signal beside what may confound it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SMALLEST_GROUP: Final = 200
"""Rows of a group that get a column of its own; smaller ones count with the first group."""


class Signal(NamedTuple):
    """A column that may foretell the outcome.

    Attributes:
        column: Truth values, or numbers in which 0 is "absent" or neutral and 1 "wholly there"; may hold nulls.
        label: How people call it.
        amount: The column of counts that says how much room the row gave to the signal.
    """

    column: str
    label: str
    amount: str


class Design(NamedTuple):
    """A model's columns, those that never vary left out.

    Attributes:
        columns: float64[n, p], the signal first.
        names: p names.
        known: int64[n], places of these rows in the table: those on which the signal is known.
    """

    columns: Floats
    names: tuple[str, ...]
    known: Ints


def design(rows: pa.Table, signal: Signal, counts: Sequence[str] = (), group: str | None = None) -> Design:
    """The columns of a signal's own model: the signal, `log2(1 + count)` of each count and of its amount, the groups.

    Args:
        rows: One row an observation.
        signal: Which signal.
        counts: Columns of counts that may confound.
        group: A column of names that may confound, such as the arm of an experiment.
    """
    value = numbers(rows, signal.column)
    known = np.flatnonzero(~np.isnan(value))
    others = controls(rows, [*counts, signal.amount], group)
    return _stacked({signal.column: value[known]} | {name: column[known] for name, column in others.items()}, known)


def joint_design(
    rows: pa.Table, signals: Sequence[str], counts: Sequence[str] = (), group: str | None = None
) -> Design:
    """The columns of all signals together, in this order and before the controls; a null counts as 0."""
    every = {name: np.nan_to_num(numbers(rows, name)) for name in signals}
    return _stacked(every | controls(rows, counts, group), np.arange(len(rows)))


def controls(rows: pa.Table, counts: Sequence[str], group: str | None) -> dict[str, Floats]:
    """What is adjusted for: each count by doublings, each group but the first by a column of 0 and 1."""
    columns = {name: np.asarray(np.log2(1 + numbers(rows, name)), np.float64) for name in counts}
    if group is None:
        return columns
    names = rows[group].to_numpy(zero_copy_only=False)
    kinds, sizes = np.unique(names, return_counts=True)
    large = [kind for kind, size in zip(kinds.tolist(), sizes.tolist(), strict=True) if size >= SMALLEST_GROUP]
    return columns | {f"{group} {kind}": (names == kind).astype(np.float64) for kind in large[1:]}


def numbers(rows: pa.Table, name: str) -> Floats:
    """A column as numbers, null as NaN.

    Raises:
        ValueError: No such column.
    """
    if name not in rows.column_names:
        raise ValueError(f"no column {name}: the rows have {', '.join(rows.column_names)}")
    return np.asarray(rows[name].cast(pa.float64()).to_numpy(), np.float64)


def _stacked(columns: Mapping[str, Any], known: Ints) -> Design:
    kept = {name: column for place, (name, column) in enumerate(columns.items()) if not place or column.std() > 0}
    return Design(np.column_stack(list(kept.values())), tuple(kept), known)
