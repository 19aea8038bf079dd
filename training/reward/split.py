"""Parts of labelled examples, and folds of users. Plain numpy, no model in sight.

Reactions are split by user *and* time: a model of them is used on later users. Labels are split by conversation: a few
annotators write all of them, so a split by annotator and time would leave next to nothing to test on.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from stats.estimate import Floats
from training.reward.config import RewardConfig
from training.reward.data import Examples, Rows
from training.reward.pairs import UNPAIRED
from training.text import Conversation


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
    future. With `validation_time` the same is done once more before the cut. Young rows are of the last hours, and of
    no test user: they are learnt from whenever they were served, and nothing is measured on them.

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
    mature = examples.mature
    before = examples.times < np.quantile(examples.times[mature], 1 - test_time)
    learnt = watched = before
    if validation_time:
        learnt = before & (examples.times < np.quantile(examples.times[before], 1 - validation_time))
        watched = before & ~learnt
    tested, validated = draw < test_users, (draw >= test_users) & (draw < test_users + validation_users)
    kept = (validated & watched & mature, tested & ~before & mature, ~before & mature)
    parts = (~tested & ~validated & (learnt | ~mature), *kept)
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
