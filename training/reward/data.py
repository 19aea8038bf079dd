"""Labelled examples: read, checked, negatives sub-sampled. Plain numpy, no model in sight."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.estimate import Floats
from training.reward.pairs import read_pairs
from training.text import Conversation, parse, parse_responses

Rows = npt.NDArray[np.int64]
CONTEXT = ("since_last", "earlier_responses", "earlier_loves", "earlier_dislikes")
"""Seconds since the response before, how many came before, and how many of these had a love, and a dislike, when the
row was served."""
COLUMNS = ("conversation", "response", "label", "weight", "user_id", "served_at")


@dataclass(frozen=True, slots=True)
class Examples:
    """Unpaired binary feedback, one row an example."""

    conversations: list[Conversation]
    responses: list[str]
    labels: Floats
    """The target in [0, 1], shape [rows]: 1 or 0, or a part of the credit for a love that came later."""
    weights: Floats
    """Trust in [0, 1], shape [rows]."""
    users: npt.NDArray[np.str_]
    times: npt.NDArray[np.int64]
    """Microseconds since 1970, UTC."""
    pairs: Rows | None = None
    """The number of a row's pair, [rows], `UNPAIRED` where it has none; None where no row has one."""
    matured: Floats | None = None
    """The chance that a love that comes has come by now, in (0, 1], [rows]: below 1 the row is young, and a label of 0
    is not the last word. None where every row is mature."""
    context: Floats | None = None
    """What the log knew of a row's conversation, `CONTEXT`, [rows, 4], NaN where it did not; None where nothing is."""

    def take(self, rows: Rows) -> "Examples":
        """These rows, in this order."""
        return Examples(
            conversations=[self.conversations[row] for row in rows],
            responses=[self.responses[row] for row in rows],
            labels=self.labels[rows],
            weights=self.weights[rows],
            users=self.users[rows],
            times=self.times[rows],
            pairs=None if self.pairs is None else self.pairs[rows],
            matured=None if self.matured is None else self.matured[rows],
            context=None if self.context is None else self.context[rows],
        )

    @property
    def positives(self) -> Floats:
        """1 where the target is more than 0, else 0, shape [rows]: what ranking figures and samples go by."""
        return (self.labels > 0).astype(np.float64)

    @property
    def mature(self) -> npt.NDArray[np.bool_]:
        """Which rows are old enough for their label to stand, [rows]."""
        return np.ones(len(self.labels), bool) if self.matured is None else self.matured >= 1

    @property
    def positive_rate(self) -> float:
        """Mean target of the rows; the share of positives where targets are 1 or 0."""
        return float(self.labels.mean())


def read_examples(table: Any) -> Examples:
    """Read a pyarrow Table with the columns conversation (JSON), response, label, weight, user_id, served_at.

    A column `pair` may couple two rows: responses to one conversation, one of which was preferred. `matured` in (0, 1]
    tells young rows apart; the columns `CONTEXT` say what the log knew of the conversation when the row was served.

    Raises:
        ValueError: A missing column, no row, no positive or no negative, a label or weight that is null, NaN or outside
            [0, 1], a row without user, time, conversation or response, a pair that is none; names the row (from 1) and
            the rule.
    """
    import pyarrow as pa

    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise ValueError(f"examples lack {', '.join(missing)}; they need the columns {', '.join(COLUMNS)}")
    labels, weights = (_shares(table, *each) for each in _SHARES)
    _check_kinds(labels)
    if not weights.any():
        raise ValueError(f"weight is 0 in all {len(weights):,} rows, must be above 0 in some: nobody's feedback counts")
    for column in ("user_id", "served_at"):
        _refuse(table, column, table[column].is_null().to_numpy(), _FILLED)
    times = table["served_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    users = np.array(table["user_id"].to_pylist(), dtype=np.str_)
    conversations: list[Conversation] = [*parse(table["conversation"].to_pylist())]
    responses = parse_responses(table["response"].to_pylist())
    pairs = None
    if "pair" in table.column_names:
        shared = list(zip(map(json.dumps, conversations), users.tolist(), times.tolist(), strict=True))
        pairs = read_pairs(table["pair"].to_pylist(), labels > 0, shared)
    matured = _shares(table, "matured", _RIPE) if "matured" in table.column_names else None
    if matured is not None:
        _refuse(table, "matured", matured == 0, f"must be above 0: {_RIPE}")
    return Examples(conversations, responses, labels, weights, users, times, pairs, matured, _context(table))


_SHARES = (
    ("label", "it is true, false or a share of credit"),
    ("weight", "it is the trust in a user's feedback"),
)
_RIPE = "it is the chance that a love which comes has come by now"
_FILLED = "must be filled in every row: no user and no day may be in two parts of the split"


def _context(table: Any) -> Floats | None:
    import pyarrow as pa

    if not set(CONTEXT) <= set(table.column_names):
        return None
    columns = [table[name].cast(pa.float64()).to_numpy() for name in CONTEXT]
    return np.column_stack(columns)


def _shares(table: Any, column: str, meaning: str) -> Floats:
    """A column of shares in [0, 1].

    Raises:
        ValueError: A null, no number, or one outside.
    """
    given = table[column].to_pylist()
    unknown = [not isinstance(each, int | float) or each != each for each in given]  # noqa: PLR0124 (NaN)
    _refuse(table, column, unknown, f"must be in [0, 1] in every row, {meaning}: leave out rows without one")
    found = np.array(given, dtype=np.float64)
    _refuse(table, column, (found < 0) | (found > 1), f"must be in [0, 1]: {meaning}")
    return found


def _refuse(table: Any, column: str, wrong: Any, rule: str) -> None:
    """Raise where there is a wrong row: the first is named, and how many there are."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
        raise ValueError(f"row {rows[0] + 1:,}{more}: {column} is {table[column][int(rows[0])].as_py()!r}, {rule}")


def _check_kinds(labels: Floats) -> None:
    positives = int((labels > 0).sum())
    if not len(labels):
        raise ValueError(
            "0 examples: a reward model needs positives and negatives; widen the window of the training set"
        )
    if positives in (0, len(labels)):
        absent, rule = ("positive", "above 0") if positives == 0 else ("negative", "exactly 0 (or false)")
        raise ValueError(
            f"no {absent} among {len(labels):,} examples, whose labels go from {labels.min():g} to {labels.max():g}: a "
            f"{absent}'s label is {rule}, and both kinds are needed; widen the window of the training set"
        )


def subsample(labels: Floats, positive_rate: float, random: np.random.Generator) -> tuple[Rows, float]:
    """All positives and as many random negatives as make `positive_rate`; all negatives when there are fewer.

    Args:
        labels: Targets, shape [rows]; a positive has more than 0.
        positive_rate: Wanted share of positives, in (0, 1).
        random: Draws the negatives.

    Returns:
        Row positions (ascending), and how many negatives of the whole each drawn one stands for (>= 1).
    """
    positives, negatives = np.flatnonzero(labels > 0), np.flatnonzero(labels == 0)
    wanted = max(1, round(len(positives) * (1 - positive_rate) / positive_rate))
    if wanted >= len(negatives):
        return np.arange(len(labels)), 1.0
    drawn = random.choice(negatives, wanted, replace=False)
    return np.sort(np.concatenate([positives, drawn])), len(negatives) / wanted
