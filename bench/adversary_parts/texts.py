"""Features of texts, computed once for each response and shared by all worlds in which it occurs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    import pyarrow as pa

Compute = Callable[["pa.Table"], sp.csr_array]
"""From columns response_id, conversation (JSON) and response to one row of features each."""


class Texts:
    """Features of responses by their ids.

    Args:
        compute: For responses that are not known.
        ids: Responses that are known already.
        rows: Their features.
    """

    def __init__(self, compute: Compute, ids: Sequence[str], rows: sp.csr_array) -> None:
        self._compute, self._rows = compute, rows
        self._place = {name: place for place, name in enumerate(ids)}

    def of(self, table: pa.Table) -> sp.csr_array:
        """Features of a table's responses; the unknown ones are computed and forgotten."""
        import pyarrow as pa

        place = np.array([self._place.get(name, -1) for name in table["response_id"].to_pylist()], dtype=np.int64)
        unknown = table.filter(pa.array(place < 0))
        known = self._rows[place[place >= 0]]
        if not len(unknown):
            return known
        order = np.argsort(np.concatenate([np.flatnonzero(place >= 0), np.flatnonzero(place < 0)]), kind="stable")
        return sp.csr_array(sp.vstack([known, self._compute(unknown)], format="csr"))[order]

    def keep(self, path: Path) -> None:
        """Write the features, to be read by `kept`."""
        sp.save_npz(path, sp.csr_matrix(self._rows), compressed=False)
        path.with_suffix(".ids").write_text("\n".join(self._place))

    @classmethod
    def kept(cls, compute: Compute, path: Path) -> Texts:
        """The features that `keep` wrote."""
        ids = path.with_suffix(".ids").read_text().split("\n")
        return cls(compute, ids, sp.csr_array(sp.load_npz(path)))
