"""Who sees what: an arm per user by salted hash, the same in Python and in SQL.

Nothing is stored. The same user, experiment and salt always give the same arm, on every machine and in every query.
"""

import hashlib
from collections.abc import Mapping

from stats import limits

BUCKETS = 16**13
"""The hash's first 13 hexadecimal digits: 52 bits, exact in a double and in SQL's BIGINT."""


def bucket(user_id: str, *, experiment: str, salt: str) -> int:
    """The user's place in [0, `BUCKETS`): the first 52 bits of `sha256(salt:experiment:user_id)` in UTF-8.

    >>> bucket("ada", experiment="warmer", salt="2026") == bucket("ada", experiment="warmer", salt="2026")
    True
    """
    digest = hashlib.sha256(f"{salt}:{experiment}:{user_id}".encode()).hexdigest()
    return int(digest[:13], 16)


def assign(user_id: str, *, experiment: str, arms: Mapping[str, float], salt: str) -> str:
    """The arm that this user belongs to.

    Arms lie one after the other on the hash's range in the order given. With two arms, moving the share between them
    moves users one way only: whoever saw the treatment at 10 % still sees it at 50 %.

    >>> assign("ada", experiment="warmer", arms={"control": 0.5, "treatment": 0.5}, salt="2026")
    'treatment'

    Args:
        user_id: The pseudonym in the events.
        experiment: Its name; another experiment deals the users anew.
        arms: Share of the users per arm; the shares sum to 1.
        salt: A secret or a date; keeps outsiders from choosing their arm.

    Raises:
        ValueError: The shares are not positive or do not sum to 1.
    """
    place = bucket(user_id, experiment=experiment, salt=salt)
    return next(arm for arm, end in _ends(arms).items() if place < end)


def assignment_sql(user_column: str, *, experiment: str, arms: Mapping[str, float], salt: str) -> str:
    """The same as `assign`, as a DuckDB expression over a column of user ids.

    >>> assignment_sql("user_id", experiment="e", arms={"all": 1.0}, salt="s").startswith("CASE WHEN ('0x' ||")
    True

    Args:
        user_column: An SQL expression, inserted as it is.
        experiment: As in `assign`.
        arms: As in `assign`.
        salt: As in `assign`.

    Raises:
        ValueError: The shares are not positive or do not sum to 1.
    """
    text = f"{_quoted(f'{salt}:{experiment}:')} || {user_column}"
    place = f"('0x' || substr(sha256({text}), 1, 13))::BIGINT"
    branches = " ".join(f"WHEN {place} < {end} THEN {_quoted(arm)}" for arm, end in _ends(arms).items())
    return f"CASE {branches} END"


def _ends(arms: Mapping[str, float]) -> dict[str, int]:
    """Where each arm's range of buckets ends; the last one ends at `BUCKETS` whatever the rounding."""
    shares = list(limits.shares(arms, "arms").values())
    ends = [round(sum(shares[: place + 1]) * BUCKETS) for place in range(len(shares))]
    return dict(zip(arms, [*ends[:-1], BUCKETS], strict=True))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
