"""Labelled examples: read, checked, split, negatives sub-sampled. Plain numpy, no model in sight.

Reactions are split by user *and* time: a model of them is used on later users. Labels are split by conversation: a few
annotators write all of them, so a split by annotator and time would leave next to nothing to test on.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from training.reward.config import RewardConfig
from training.reward.metrics import Floats
from training.reward.pairs import UNPAIRED, read_pairs
from training.text import Conversation, parse, parse_responses

Rows = npt.NDArray[np.int64]
COLUMNS = ("conversation", "response", "label", "weight", "user_id", "served_at")


class Examples(NamedTuple):
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

    def take(self, rows: Rows) -> "Examples":
        """These rows, in this order."""
        picked = [[column[row] for row in rows] for column in (self.conversations, self.responses)]
        columns = (None if column is None else column[rows] for column in self[2:])
        return Examples(picked[0], picked[1], *columns)  # type: ignore[arg-type]

    @property
    def positives(self) -> Floats:
        """1 where the target is more than 0, else 0, shape [rows]: what ranking figures and samples go by."""
        return (self.labels > 0).astype(np.float64)

    @property
    def positive_rate(self) -> float:
        """Mean target of the rows; the share of positives where targets are 1 or 0."""
        return float(self.labels.mean())


def read_examples(table: Any) -> Examples:
    """Read a pyarrow Table with the columns conversation (JSON), response, label, weight, user_id, served_at.

    A column `pair` may couple two rows: responses to one conversation, one of which was preferred.

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
    return Examples(conversations, responses, labels, weights, users, times, pairs)


_SHARES = (
    ("label", "it is true, false or a share of credit"),
    ("weight", "it is the trust in a user's feedback"),
)
_FILLED = "must be filled in every row: no user and no day may be in two parts of the split"


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
        absent = "positive" if positives == 0 else "negative"
        raise ValueError(
            f"no {absent} among {len(labels):,} examples: both are needed; widen the window of the training set"
        )


class Split(NamedTuple):
    """Row positions of the three parts; no user (by `split`) or conversation (by `split_labels`) is in two of them.

    Attributes:
        train: What is learnt from.
        validation: For early stopping and calibration.
        test: Of a split by user and time every row is later than every row of the other two.
        later: All rows of the time of the test, of whichever user; empty in a split by conversation.
    """

    train: Rows
    validation: Rows
    test: Rows
    later: Rows


def divided(every: Examples, config: RewardConfig, by: Literal["users", "conversations"]) -> Split:
    """The parts of examples, as the dials of a training put them aside: the same rows give the same parts."""
    if by == "conversations":
        shares = {"test": config.test_users, "validation": config.validation_users}
        return split_labels(every.labels, openings(every), **shares, seed=config.seed)
    return split(
        every,
        test_users=config.test_users,
        test_time=config.test_time,
        validation_users=config.validation_users,
        validation_time=config.validation_time,
        seed=config.seed,
    )


def split(
    examples: Examples,
    *,
    test_users: float,
    test_time: float,
    validation_users: float,
    seed: int,
    validation_time: float = 0.0,
) -> Split:
    """Divide by user (salted hash) and time: test users after the cut make the test part, all else lies before the cut.

    Rows of test users before the cut and of the others after it belong to no part: they would leak a user or the
    future. With `validation_time` the same is done once more before the cut.

    Args:
        examples: What to divide.
        test_users: Share of users kept for the test.
        test_time: Share of the latest rows that lies after the cut.
        validation_users: Share of users kept for early stopping and calibration.
        seed: Salt of the hash.
        validation_time: Share of the latest rows before the cut that only validation sees; 0 takes all of its users'.

    Raises:
        ValueError: A part would hold no positive or no negative.
    """
    draw = _draws(examples.users.tolist(), seed)
    before = examples.times < np.quantile(examples.times, 1 - test_time)
    learnt = watched = before
    if validation_time:
        learnt = before & (examples.times < np.quantile(examples.times[before], 1 - validation_time))
        watched = before & ~learnt
    tested, validated = draw < test_users, (draw >= test_users) & (draw < test_users + validation_users)
    parts = (~tested & ~validated & learnt, validated & watched, tested & ~before, ~before)
    return _parts(examples.labels, *parts, trusted=examples.weights > 0)


def split_labels(labels: Floats, openings: Sequence[str], *, test: float, validation: float, seed: int) -> Split:
    """Divide by conversation (salted hash of how it begins), whoever labelled it and when.

    Args:
        labels: Targets, shape [rows].
        openings: How each row's conversation begins, see `opening`.
        test: Share of conversations kept for the test.
        validation: Share kept for early stopping and calibration.
        seed: Salt of the hash.

    Raises:
        ValueError: A part would hold no positive or no negative.
    """
    draw = _draws(openings, seed)
    tested, validated = draw < test, (draw >= test) & (draw < test + validation)
    parts = (~tested & ~validated, validated, tested, np.zeros(len(draw), bool))
    return _parts(labels, *parts, trusted=np.ones(len(draw), bool))


def opening(conversation: Conversation, response: str) -> str:
    """Names a conversation by its first two messages, which all of its turns share.

    >>> first = opening([{"content": "hi"}], "Hello!")
    >>> first == opening([{"content": "hi"}, {"content": "Hello!"}, {"content": "Tea?"}], "Yes.")
    True
    """
    begun = [*(turn["content"] for turn in conversation[:2]), response][:2]
    return hashlib.sha256("\n".join(begun).encode()).hexdigest()


def openings(examples: Examples) -> list[str]:
    """How the conversation of each row begins, see `opening`; both rows of a pair begin alike, whatever they answer."""
    paired = [False] * len(examples.labels) if examples.pairs is None else (examples.pairs != UNPAIRED).tolist()
    return [
        opening(conversation, "" if coupled else response)
        for conversation, response, coupled in zip(examples.conversations, examples.responses, paired, strict=True)
    ]


def _draws(names: Sequence[str], seed: int) -> Floats:
    """A number in [0, 1) for each row, the same for the same name."""
    known = {name: uniform(name, seed) for name in set(names)}
    return np.array([known[name] for name in names], dtype=np.float64)


def _parts(labels: Floats, *masks: npt.NDArray[np.bool_], trusted: npt.NDArray[np.bool_]) -> Split:
    for name, mask in zip(("train", "validation", "test"), masks, strict=False):
        _check_part(name, labels[mask], trusted[mask])
    return Split(*(np.flatnonzero(mask) for mask in masks))


def _check_part(name: str, labels: Floats, trusted: npt.NDArray[np.bool_]) -> None:
    """A row of weight 0 teaches and measures nothing, so it does not count."""
    positives, rows = int((labels[trusted] > 0).sum()), int(trusted.sum())
    if positives in (0, rows):
        left = "" if rows == len(labels) else f" with a weight above 0 ({len(labels) - rows:,} have none)"
        seen = f"{positives:,} positives among {rows:,} examples{left}"
        raise ValueError(f"the {name} part holds {seen}, it needs both kinds: give more examples, users or days")


def user_folds(users: npt.NDArray[np.str_], folds: int, seed: int) -> Rows:
    """The fold of each row, by its user's salted hash, shape [rows]."""
    names, owner = np.unique(users, return_inverse=True)
    return np.array([int(uniform(name, seed) * folds) for name in names], dtype=np.int64)[owner]


def uniform(name: str, salt: object) -> float:
    """A number in [0, 1) that a name and a salt decide, the same on every machine."""
    digest = hashlib.sha256(f"{salt}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


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
