"""The daily job run day by day as in production, and the moment from which each attack love was left out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from adversary_parts.caught import HOUR
from adversary_parts.loves import NEVER, Bools, Floats, Ints, Loves
from adversary_parts.texts import Texts
from training.trust import CrossFit
from warehouse import connection
from warehouse.adversary.daily import periodic

RUNS_AFTER = 2 * HOUR
"""After midnight (UTC) the job judges the day before; microseconds."""
_LEFT_OUT = """
SELECT watched.place
FROM watched
LEFT JOIN (
    SELECT response_id, user_id, trust FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), 24)
    WHERE love AND response_id IN (SELECT response_id FROM watched)
) AS counted ON counted.response_id = watched.response_id AND counted.user_id = watched.user_id
WHERE coalesce(counted.trust, 0) <= 0.5
"""


class Remembering:
    """The daily job's models, with features of texts that are computed once for all worlds of a seed.

    Args:
        model: The product's.
        texts: Features by response.

    Attributes:
        days: How many days were learnt.
    """

    def __init__(self, model: CrossFit, texts: Texts) -> None:
        self._model, self._texts, self.days = model, texts, model.days

    def score(self, responses: pa.Table) -> Floats:
        """As the product's models score."""
        return self._model.score(responses, self._texts.of(responses))

    def learn(self, responses: pa.Table, love: Bools, weight: Floats) -> None:
        """As the product's models learn."""
        self._model.learn(responses, love, weight, self._texts.of(responses))
        self.days = self._model.days

    def dump(self) -> bytes:
        """As the product's models are stored."""
        return self._model.dump()


def run(
    warehouse: Path, loves: Loves, span: tuple[date, date], moment: datetime, texts: Texts, *, honest_loss: float
) -> Ints:
    """Judge every day in order, as the job does in production.

    Args:
        warehouse: Holds the whole stream; it is changed.
        loves: Its loves before the first day is judged: what the sink's rules alone make of them.
        span: The first and the last day.
        moment: When states are judged.
        texts: Features for the product's models.
        honest_loss: The one dial.

    Returns:
        int64[n], the moment from which each love was left out: when a rule of the sink spoke, or two hours after the
        midnight whose job did, and never before the love itself; `NEVER` for what was not.
    """
    at_once = loves.left_out > 0.5
    spoke = np.where(loves.online_at == NEVER, loves.at, np.maximum(loves.at, loves.online_at))
    seen_at = np.where(at_once, spoke, NEVER)
    for day in days(*span):
        periodic.run(warehouse, partial(_model, texts), until=day, honest_loss=honest_loss)
        judged_at = int(datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()) * 1_000_000 + RUNS_AFTER
        now = left_out(warehouse, loves, moment)
        fresh = now & (seen_at == NEVER)
        seen_at[fresh] = np.maximum(loves.at[fresh], judged_at)
        seen_at[~now & ~at_once] = NEVER
    return seen_at


def _model(texts: Texts, stored: bytes | None) -> Remembering:
    return Remembering(CrossFit.load(stored), texts)


def left_out(warehouse: Path, loves: Loves, moment: datetime) -> Bools:
    """bool[n]: which attack loves count for half or less in the clean feedback, as the warehouse stands."""
    watched = np.flatnonzero(loves.attack != "")
    keys = [loves.keys[place] for place in watched.tolist()]
    table = pa.table(
        {"place": watched, "response_id": [key[0] for key in keys], "user_id": [key[1] for key in keys]},
        schema=pa.schema([("place", pa.int64()), ("response_id", pa.string()), ("user_id", pa.string())]),
    )
    found = np.zeros(len(loves.keys), dtype=np.bool_)
    with connection.open(warehouse).read() as reader:
        reader.register("watched", table)
        rows = reader.execute(_LEFT_OUT, {"moment": moment}).fetchnumpy()
    found[rows["place"].astype(np.int64)] = True
    return found


def days(first: date, last: date) -> Iterator[date]:
    """Every day from the first to the last, both included."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
