"""The users of an A/B test as arrays: what every estimate reads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stats.estimate import Floats

NEVER: Final = np.iinfo(np.int64).max
"""The moment of what did not happen."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """Users of two arms, the control's before the treatment's: each arm of a column is then a slice, and no copy.

    Attributes:
        arm: 0 for the control, 1 for the treatment, rising, shape [users].
        columns: Numbers of each user, by name, each of shape [users].
        first_love: When each first loved, in microseconds, `NEVER` where they did not, shape [users]; None where the
            table does not tell.
        turns: The order of those who first loved at one moment, drawn without regard to the arm, shape [users]; 0 of
            whoever loved alone.
    """

    arm: NDArray[np.int8]
    columns: Mapping[str, Floats]
    first_love: NDArray[np.int64] | None
    turns: NDArray[np.uint64]

    @property
    def controls(self) -> int:
        """How many of the users are the control's."""
        return int(np.searchsorted(self.arm, np.int8(1)))

    def by_arm(self, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The control's and the treatment's part of an array of shape [users]."""
        return values[: self.controls], values[self.controls :]

    def only(self, some: NDArray[np.bool_]) -> "Cohort":
        """Some of the users, those where it is true."""
        numbers = {name: column[some] for name, column in self.columns.items()}
        loved = None if self.first_love is None else self.first_love[some]
        return Cohort(self.arm[some], numbers, loved, self.turns[some])

    def lovers(self) -> NDArray[np.int8] | None:
        """The arms of those who love, in the order of their first love; None where that is not known."""
        if self.first_love is None:
            return None
        loving = np.flatnonzero(self.first_love != NEVER)
        return self.arm[loving[np.lexsort((self.turns[loving], self.first_love[loving]))]]


def cohort(table: pa.Table, arms: Sequence[str]) -> Cohort:
    """The arrays of a table of checked users.

    Args:
        table: user_id, arm, and columns of numbers; `first_love`, where it is there, timestamps or null.
        arms: The control, then the treatment; rows of other arms must not be there.
    """
    treated = pc.equal(table["arm"], arms[1]).to_numpy()
    order = np.concatenate([np.flatnonzero(~treated), np.flatnonzero(treated)])
    numbers = {
        name: np.asarray(table[name].to_numpy(), dtype=np.float64)[order]
        for name in table.column_names
        if _is_number(table.schema.field(name).type)
    }
    loved = _moments(table, "first_love")
    turns = np.zeros(len(order), np.uint64) if loved is None else _turns(table, loved)
    return Cohort(treated[order].astype(np.int8), numbers, None if loved is None else loved[order], turns[order])


def _turns(table: pa.Table, loved: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A hash of the name of everybody who first loved at the moment of another, 0 for the rest, shape [users].

    Moments of a log are often of a whole second, or a day. One arm before the other within them would be a run of coins
    that fall alike, and shown as an effect. By the name, one warehouse gives one walk, at every look.
    """
    loving = np.flatnonzero(loved != NEVER)
    _, which, times = np.unique(loved[loving], return_inverse=True, return_counts=True)
    together = loving[times[which] > 1]
    names: Iterable[str] = table["user_id"].take(pa.array(together)).cast(pa.string()).to_pylist()
    turns = np.zeros(len(loved), np.uint64)
    turns[together] = [int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") for name in names]
    return turns


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _moments(table: pa.Table, name: str) -> NDArray[np.int64] | None:
    if name not in table.column_names:
        return None
    column = table[name]
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz)).cast(pa.int64())
    return np.asarray(pc.fill_null(column.cast(pa.int64()), int(NEVER)).to_numpy(), dtype=np.int64)
