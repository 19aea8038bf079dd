"""The one entrance of an A/B test's data: tables of users, checked, and without those who were in several arms.

A user who saw both arms (who changed device, whose account was merged, who was assigned by session) speaks for neither.
Such users are left out of every table of the readout, are counted, and are told of; many of them are a fault of the
assignment, since those who are left are no longer the users that were dealt.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MANY: Final = 0.01
"""Share of the users in several arms from which on the readout warns."""
_NAMES: Final = ("user_id", "arm")
_COUNTS: Final = ("exposures", "loves")
_COUNTABLE: Final = (
    pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null,
)  # fmt: skip
_GREATEST: Final = 2**53
"""The largest count that double precision keeps."""


class Users(NamedTuple):
    """Tables that may be compared.

    Attributes:
        tables: As they were given, counts as int64, each without the users in several arms.
        in_several_arms: How many those are, over all tables.
        share: Of all users.
    """

    tables: tuple[pa.Table, ...]
    in_several_arms: int
    share: float


def checked(
    tables: Sequence[pa.Table], arms: Sequence[str], others: Sequence[Sequence[str]], *, unique: bool = False
) -> Users:
    """Check the tables of one readout, and leave out of each whoever was in several arms in any.

    Args:
        tables: One row for each user and arm: user_id, arm, exposures, loves, and other counts.
        arms: That are compared.
        others: For each table its columns of numbers beside exposures and loves.
        unique: Whoever made the tables has seen to it that each user stands in one row of one arm: nobody is searched
            for, which for millions of users takes most of the time.

    Raises:
        ValueError: A column is missing, or holds what cannot be; says which, what was seen, and the rule.
    """
    sound = [_sound(table, arms, more) for table, more in zip(tables, others, strict=True)]
    if unique:
        return Users(tuple(sound), 0, 0.0)
    for table in sound:
        _refuse_repeated(table)
    pairs = pa.concat_tables([_pairs(table) for table in sound]).group_by([*_NAMES]).aggregate([])
    everybody = pairs.group_by("user_id").aggregate([("arm", "count")])
    several = everybody.filter(pc.greater(everybody["arm_count"], 1))["user_id"]
    if not len(several):
        return Users(tuple(sound), 0, 0.0)
    left = tuple(table.filter(pc.invert(pc.is_in(_text(table["user_id"]), several))) for table in sound)
    return Users(left, len(several), len(several) / len(everybody))


def told(number: int, share: float) -> str:
    """A sentence on the users in several arms, which warns where they are many.

    >>> told(1, 0.0004)
    '1 user seen in more than one arm, left out of all: assign by user, not by session or device'
    >>> told(30, 0.03).partition("device: ")[2]
    'WARNING, 3% of all users: those who are left are not the users that were dealt'
    """
    seen = f"{number:,} user{'' if number == 1 else 's'} seen in more than one arm, left out of all"
    warning = f": WARNING, {share:.0%} of all users: those who are left are not the users that were dealt"
    return f"{seen}: assign by user, not by session or device{'' if share < MANY else warning}"


def _sound(table: pa.Table, arms: Sequence[str], others: Sequence[str]) -> pa.Table:
    """The table with its counts as int64, and its other numbers as they are.

    Raises:
        ValueError: As `checked`.
    """
    missing = [column for column in (*_NAMES, *_COUNTS, *others) if column not in table.column_names]
    if missing:
        raise ValueError(f"columns {missing} are missing, the table has {table.column_names}")
    for column in _NAMES:
        nobody = _places(pc.is_null(table[column], nan_is_null=True))
        _refuse(table, column, nobody, "must be named in every row: leave out what belongs to nobody")
    known = pc.is_in(_text(table["arm"]), pa.array([*arms], pa.string()))
    rule = f"must be one of {', '.join(arms)}: is it the right experiment? Read one pair of arms at a time"
    _refuse(table, "arm", _places(pc.invert(known)), rule)
    for column in _COUNTS:
        table = table.set_column(table.column_names.index(column), column, _whole(table, column))
    for column in others:
        _refuse_no_numbers(table, column)
    more = _places(pc.greater(table["loves"], table["exposures"]))
    if len(more):
        rule = (
            f"must be at most the row's exposures ({table['exposures'][int(more[0])]}): count each loved response once"
        )
        _refuse(table, "loves", more, rule)
    return table


def _refuse_no_numbers(table: pa.Table, column: str) -> None:
    """Refuse what is no finite number of 0 or more."""
    numbers = _numbers(table, column, "numbers")
    wrong = np.flatnonzero(~((numbers >= 0) & (numbers < np.inf)))
    rule = "must be a number of 0 or more: shift what can be negative, leave out what is not known"
    _refuse(table, column, wrong, rule)


def _numbers(table: pa.Table, column: str, what: str) -> NDArray[np.float64]:
    """A column without gaps as doubles."""
    values = table[column].combine_chunks()
    kind = values.type
    if len(values) and not any(each(kind) for each in _COUNTABLE):
        raise ValueError(f"column {column} is of type {kind}, must hold {what}: cast it")
    _refuse(table, column, _places(pc.is_null(values)), "must be a count in every row: 0 where nothing was seen")
    return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _whole(table: pa.Table, column: str) -> pa.Array:
    """A column of counts as int64."""
    numbers = _numbers(table, column, "whole numbers")
    sound = (numbers >= 0) & (numbers <= _GREATEST) & (numbers == np.floor(numbers))
    wrong = np.flatnonzero(~sound)
    _refuse(table, column, wrong, f"must be a whole number from 0 to {_GREATEST:,}: sum up what each user saw and did")
    return pa.array(numbers.astype(np.int64))


def _refuse_repeated(table: pa.Table) -> None:
    rows = _pairs(table).group_by([*_NAMES]).aggregate([([], "count_all")])
    repeated = rows.filter(pc.greater(rows["count_all"], 1))
    if len(repeated):
        first = repeated.slice(0, 1).to_pylist()[0]
        raise ValueError(
            f"{len(repeated):,} users stand in more than one row of an arm ({first['user_id']!r} in "
            f"{first['count_all']:,} of {first['arm']}), must be one row for each user and arm: sum them up first"
        )


def _refuse(table: pa.Table, column: str, rows: NDArray[np.int64], rule: str) -> None:
    """Raise where there are rows in which a column holds what it must not; the first is named, and how many there are.

    Raises:
        ValueError: There is one.
    """
    if len(rows):
        seen = table[column][int(rows[0])].as_py()
        more = f", {len(rows):,} such rows" if len(rows) > 1 else ""
        raise ValueError(f"column {column} holds {seen!r} (row {rows[0] + 1:,}{more}), {rule}")


def _places(wrong: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Where it is true."""
    return np.flatnonzero(wrong.to_numpy() if isinstance(wrong, pa.ChunkedArray) else wrong.to_numpy(False))


def _pairs(table: pa.Table) -> pa.Table:
    return pa.table({column: _text(table[column]) for column in _NAMES})


def _text(column: Any) -> Any:
    return column.cast(pa.string())
