"""What the filter made of every love of a warehouse, beside the truth about it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).max
"""A moment that does not come."""
_SQL = Path(__file__).with_name("loves.sql")


class Loves(NamedTuple):
    """Loves that stand, one entry each, oldest first.

    Attributes:
        keys: Response and user.
        attack: str[n], which attack gave it; empty for an honest one.
        at: int64[n], when it was given, microseconds since 1970.
        shown: bool[n], whether the user had been shown that response; what was not never counts, filter or no filter.
        left_out: float64[n], in [0, 1]: 1 less the weight with which it counts in the clean feedback.
        score: float64[n], the highest score of a flag that speaks of it, 0 for none; from 1 on it is left out.
        rules: Names of the rules that leave it out, one list a love.
        online_at: int64[n], when a rule of the sink first did; `NEVER` if none.
    """

    keys: list[tuple[str, str]]
    attack: npt.NDArray[np.str_]
    at: Ints
    shown: Bools
    left_out: Floats
    score: Floats
    rules: list[list[str]]
    online_at: Ints

    @property
    def honest(self) -> Bools:
        """bool[n]: honest loves that would count if nothing were filtered."""
        return np.asarray((self.attack == "") & self.shown)

    @property
    def suspicion(self) -> Floats:
        """float64[n]: one order of all loves, the flags' scores above what trust alone takes away.

        A love that counts although it was told once more by a flagged event is not under suspicion.
        """
        counts = (self.left_out == 0) & (self.score >= 1)
        return np.where(counts, 0.0, np.maximum(self.score, self.left_out))


def read(reader: DuckDBPyConnection, truth: pa.Table, moment: datetime) -> Loves:
    """Every love that stands in a warehouse at a moment.

    Args:
        reader: A warehouse, with its views.
        truth: Columns event_id, attack (null for honest loves), adds (false where the owner's own love stands anyway):
            every love that was given.
        moment: When states are judged; responses must be mature by then.
    """
    reader.register("truth_loves", truth)
    found = reader.execute(_SQL.read_text(), {"moment": moment}).to_arrow_table()
    reader.unregister("truth_loves")
    column = {name: found[name] for name in found.column_names}
    return Loves(
        keys=list(zip(column["response_id"].to_pylist(), column["user_id"].to_pylist(), strict=True)),
        attack=np.array([name or "" for name in column["attack"].to_pylist()], dtype=np.str_),
        at=column["at"].to_numpy(),
        shown=np.array(column["shown"].to_pylist(), dtype=np.bool_),
        left_out=column["left_out"].to_numpy().astype(np.float64),
        score=column["score"].to_numpy().astype(np.float64),
        rules=column["rules"].to_pylist(),
        online_at=np.array([NEVER if at is None else at for at in column["online_at"].to_pylist()], dtype=np.int64),
    )


def truth(*streams: Path) -> pa.Table:
    """The true loves of several parts of one stream, each the folder of its lines and truth files."""
    schema = pa.schema([("event_id", pa.string()), ("attack", pa.string()), ("adds", pa.bool_())])
    read = [pq.read_table(each / "truth" / "loves.parquet", columns=schema.names) for each in streams]
    return pa.concat_tables([each.cast(schema) for each in read])
