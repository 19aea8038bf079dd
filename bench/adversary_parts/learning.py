"""What an attack does to a model that learns from the feedback, with the filter and without."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.special import expit

from adversary_parts.learner import STANDS_FOR, Model, Rows
from adversary_parts.texts import Texts
from stats.metrics import auroc

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

Floats = npt.NDArray[np.float64]

OPEN = """
SELECT
    served.response_id, conversation, response, loved.response_id IS NOT NULL AS love, CAST(1 AS DOUBLE) AS trust,
    served.user_id, served_at
FROM served
LEFT JOIN (
    SELECT DISTINCT response_id
    FROM reaction_state_at(CAST($moment AS TIMESTAMPTZ))
    WHERE reaction = 'love' AND action = 'added'
) AS loved ON loved.response_id = served.response_id
"""
"""Feedback as it came: no rule, no trust."""
CLEAN = """
SELECT response_id, conversation, response, love, trust, user_id, served_at
FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), 24)
"""
"""Feedback as the product learns from it."""
_DRAWN = "WHERE love OR hash(response_id || CAST($draw AS VARCHAR)) % $stands_for = 0 ORDER BY response_id"


def drawn(reader: DuckDBPyConnection, feedback: str, moment: datetime, draw: int = 0) -> pa.Table:
    """Every love of some feedback, and one in `STANDS_FOR` of the other responses; the response's id and `draw` decide.

    Args:
        reader: A warehouse, with its views.
        feedback: `OPEN` or `CLEAN`.
        moment: When states are judged.
        draw: Another number draws others.
    """
    asked = {"moment": moment, "draw": draw, "stands_for": STANDS_FOR}
    return reader.execute(f"FROM ({feedback}) {_DRAWN}", asked).to_arrow_table()


def rows(table: pa.Table, texts: Texts) -> Rows:
    """What a fit reads of drawn feedback."""
    loved, trust = (np.array(table[name].to_pylist(), dtype=np.float64) for name in ("love", "trust"))
    return Rows(texts.of(table), loved, np.clip(trust, 0, 1))


class Exam(NamedTuple):
    """What every model is asked.

    Attributes:
        later: Features of responses to honest users that no model has met, from later days.
        loved: float64[n], whether they were loved; `chance`: the chance of it by the observable oracle.
        probes: By attack, features of fresh examples of what it wants to lift.
    """

    later: sp.csr_array
    loved: Floats
    chance: Floats
    probes: dict[str, sp.csr_array]

    def marks(self, model: Model) -> dict[str, Any]:
        """How well a model ranks the honest later days, and by attack what it gives to what the attack wants to lift.

        Returns:
            auroc (against true loves), auroc_oracle (against the oracle's chances), chance and logit (means by attack).
        """
        said = model.logits(self.later)
        asked = {name: model.logits(probe) for name, probe in self.probes.items()}
        return {
            "auroc": auroc(self.loved, said),
            "auroc_oracle": auroc(self.chance, said),
            "chance": {name: float(expit(logits).mean()) for name, logits in asked.items()},
            "logit": {name: float(logits.mean()) for name, logits in asked.items()},
        }
