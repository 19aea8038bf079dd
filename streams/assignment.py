"""Who sees what: a place per user by salted hash, the same in Python and in SQL.

Nothing is stored. The same user, experiment and salt always give the same place, on every machine and in every query.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stats import buckets, limits
from stats.buckets import BUCKETS

HOLDOUT = "holdout"
"""The place of users who are in no experiment at all."""
OUT = "out"
"""The place of users whom this experiment leaves alone."""
_MARK = "|"
"""Ends the salt of every hash but that of the arms, which a colon ends: no two purposes ever hash the same text."""


def bucket(user_id: str, *, experiment: str, salt: str) -> int:
    """The user's place in [0, `BUCKETS`): the first 52 bits of `sha256(salt:experiment:user_id)` in UTF-8.

    >>> bucket("ada", experiment="warmer", salt="2026") == bucket("ada", experiment="warmer", salt="2026")
    True

    Raises:
        ValueError: The user id is no text.
    """
    return buckets.bucket(_arm_prefix(salt, experiment), user_id)


def assign(user_id: str, *, experiment: str, arms: Mapping[str, float], salt: str) -> str:
    """The arm that this user belongs to.

    Arms lie one after the other on the hash's range in the order given. With two arms, moving the share between them
    moves users one way only: whoever saw the treatment at 10 % still sees it at 50 %. But it moves control users who
    have seen the control, so ramp by the coverage of a `Layout`, which moves nobody.

    >>> assign("ada", experiment="warmer", arms={"control": 0.5, "treatment": 0.5}, salt="2026")
    'treatment'

    Args:
        user_id: The pseudonym in the events.
        experiment: Its name; another experiment deals the users anew.
        arms: Share of the users per arm; the shares sum to 1.
        salt: A secret or a date; keeps outsiders from choosing their arm.

    Raises:
        ValueError: The shares are not positive or do not sum to 1, or the user id is no text.
    """
    place = bucket(user_id, experiment=experiment, salt=salt)
    return next(arm for arm, end in buckets.ends(arms, "arms").items() if place < end)


def assignment_sql(user_column: str, *, experiment: str, arms: Mapping[str, float], salt: str) -> str:
    """The same as `assign`, as a DuckDB expression over a column of user ids; NULL for NULL.

    >>> assignment_sql("user_id", experiment="e", arms={"all": 1.0}, salt="s")
    "CASE WHEN (user_id) IS NOT NULL THEN 'all' END"

    Args:
        user_column: An SQL expression of type VARCHAR, inserted as it is.
        experiment: As in `assign`.
        arms: As in `assign`.
        salt: As in `assign`.

    Raises:
        ValueError: The shares are not positive or do not sum to 1, or a name cannot be written in SQL.
    """
    place = buckets.bucket_sql(_arm_prefix(salt, experiment), user_column)
    *others, (last, _) = buckets.ends(arms, "arms").items()
    branches = [f"WHEN {place} < {end} THEN {buckets.quoted(arm)}" for arm, end in others]
    branches.append(f"WHEN ({user_column}) IS NOT NULL THEN {buckets.quoted(last)}")  # whoever is left: no hash again
    return f"CASE {' '.join(branches)} END"


class _Passage(NamedTuple):
    """A condition for being in the experiment: users pass whose bucket lies in [start, end).

    Attributes:
        otherwise: Where those are who do not pass.
        prefix: Of the hash, its own for each condition.
        start: First bucket that passes.
        end: First one that does not again.
    """

    otherwise: str
    prefix: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Who is in an experiment, and in which arm.

    A user is asked four questions, each by a hash of its own, so that no answer tells of another: are they in
    the holdout, in the range of the namespace, covered, and in which arm? Ramp with
    `dataclasses.replace(layout, coverage=0.5)`: a wider coverage or range only adds users, and moves none between arms.

    >>> layout = Layout("warmer", "2026", {"control": 0.5, "treatment": 0.5}, coverage=0.2, holdout=0.05)
    >>> layout.place("ada"), layout.place("dan"), layout.place("u5")
    ('treatment', 'out', 'control')

    Attributes:
        experiment: Its name; another experiment deals its arms and its coverage anew.
        salt: A secret or a date, one for the whole product; keeps outsiders from choosing their arm.
        arms: Share of the covered users per arm; the shares sum to 1.
        coverage: Share, in [0, 1], of the users in its range who are in the test.
        namespace: Experiments of one namespace whose ranges are disjoint never share a user; None for no such bound.
        start: Where the range of the namespace begins, in [0, 1].
        end: Where it ends; a range that begins there is disjoint.
        holdout: Share, in [0, 1), of all users who are in no experiment; the same users under one salt, whatever the
            experiment. Give every experiment the same share: raising it takes users out of tests that run.

    Raises:
        ValueError: A share outside of its range, shares that are no whole, an empty name or one with `|` or NUL, an
            arm called "holdout" or "out", a range that is empty or has no namespace.
    """

    experiment: str
    salt: str
    arms: Mapping[str, float]
    coverage: float = 1.0
    namespace: str | None = None
    start: float = 0.0
    end: float = 1.0
    holdout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what deals nobody, or not as it reads."""
        object.__setattr__(self, "arms", limits.shares(self.arms, "arms"))  # a copy: nobody's dictionary moves users
        _check_names(self)
        _check_ranges(self)

    def place(self, user: str) -> str:
        """Where a user is: "holdout", "out" or the name of the arm.

        Raises:
            ValueError: The user id is no text.
        """
        for passage in self._passages():
            if not passage.start <= buckets.bucket(passage.prefix, user) < passage.end:
                return passage.otherwise
        return assign(user, experiment=self.experiment, arms=self.arms, salt=self.salt)

    def places(self, users: Iterable[str]) -> npt.NDArray[np.str_]:
        """`place` of every user, str[users]: about a million in a second for each question that is asked.

        >>> Layout("warmer", "2026", {"all": 1.0}).places(["ada", "bob"]).tolist()
        ['all', 'all']

        Raises:
            ValueError: A user id is no text.
        """
        names = list(users)
        words = [HOLDOUT, OUT, *self.arms]
        found = np.zeros(len(names), np.int64)
        inside = np.arange(len(names))
        for passage in self._passages():
            seen = buckets.buckets(passage.prefix, [names[row] for row in inside])
            passes = (seen >= passage.start) & (seen < passage.end)
            found[inside[~passes]] = words.index(passage.otherwise)
            inside = inside[passes]
        seen = buckets.buckets(_arm_prefix(self.salt, self.experiment), [names[row] for row in inside])
        ends = list(buckets.ends(self.arms, "arms").values())
        found[inside] = words.index(OUT) + 1 + np.searchsorted(ends, seen, side="right")
        return np.array(words, np.str_)[found]

    def sql(self, user_column: str) -> str:
        """`place` as a DuckDB expression; NULL for NULL, for nobody has no place.

        >>> Layout("e", "s", {"all": 1.0}, coverage=0.0).sql("user_id")[:66]
        "CASE WHEN ('0x' || substr(sha256('s|coverage|e|' || (user_id)), 1,"

        Args:
            user_column: An SQL expression of type VARCHAR, inserted as it is.
        """
        outside = [
            f"WHEN {buckets.bucket_sql(passage.prefix, user_column)} NOT BETWEEN {passage.start} AND {passage.end - 1} "
            f"THEN {buckets.quoted(passage.otherwise)}"
            for passage in self._passages()
        ]
        arm = assignment_sql(user_column, experiment=self.experiment, arms=self.arms, salt=self.salt)
        return " ".join(["CASE", *outside, arm.removeprefix("CASE ")])

    def _passages(self) -> list[_Passage]:
        """The conditions in their order, without those that everybody meets."""
        asked = [
            _Passage(HOLDOUT, f"{self.salt}|holdout|", round(self.holdout * BUCKETS), BUCKETS),
            _Passage(OUT, f"{self.salt}|namespace|{self.namespace}|", *_span(self)),
            _Passage(OUT, f"{self.salt}|coverage|{self.experiment}|", 0, round(self.coverage * BUCKETS)),
        ]
        return [passage for passage in asked if (passage.start, passage.end) != (0, BUCKETS)]


def overlaps(layouts: Sequence[Layout]) -> tuple[tuple[str, str], ...]:
    """The pairs of experiments in one namespace that may share users, though a namespace is there to keep them apart.

    Their ranges overlap, or their salts differ: then ranges are cut from two different hashes.

    >>> half = {"control": 0.5, "treatment": 0.5}
    >>> first = Layout("warmer", "2026", half, namespace="tone", end=0.6)
    >>> overlaps([first, Layout("shorter", "2026", half, namespace="tone", start=0.5)])
    (('warmer', 'shorter'),)
    """
    return tuple(
        (one.experiment, other.experiment)
        for one, other in combinations(layouts, 2)
        if one.namespace is not None and one.namespace == other.namespace and _meet(one, other)
    )


def _meet(one: Layout, other: Layout) -> bool:
    (start, end), (other_start, other_end) = _span(one), _span(other)
    return one.salt != other.salt or max(start, other_start) < min(end, other_end)


def _span(layout: Layout) -> tuple[int, int]:
    """The range in buckets: whole numbers, so that a range ends exactly where the next begins (0.1 + 0.2 and 0.3)."""
    return round(layout.start * BUCKETS), round(layout.end * BUCKETS)


def _arm_prefix(salt: str, experiment: str) -> str:
    return f"{salt}:{experiment}:"


def _check_names(layout: Layout) -> None:
    for field in ("experiment", "salt", "namespace"):
        value = getattr(layout, field)
        if value is None and field == "namespace":
            continue
        if not isinstance(value, str) or not value or _MARK in value or "\0" in value:
            raise ValueError(f"{field} == {value!r}, must be a text of at least one character, without | and NUL")
    taken = [arm for arm in layout.arms if not isinstance(arm, str) or arm in ("", HOLDOUT, OUT) or "\0" in arm]
    if taken:
        raise ValueError(f"arms are called {taken}, must be texts other than '', 'holdout' and 'out', without NUL")


def _check_ranges(layout: Layout) -> None:
    for field in ("coverage", "start", "end", "holdout"):
        value = getattr(layout, field)
        if isinstance(value, bool | str) or value is None or not 0 <= value <= 1:
            raise ValueError(f"{field} == {value!r}, must be in [0, 1]: 0.5 for half of the users")
    if layout.holdout == 1:
        raise ValueError("holdout == 1, must be below 1: nobody would be left for any experiment")
    start, end = _span(layout)
    if start >= end:
        raise ValueError(f"the range is [{layout.start}, {layout.end}), must hold users: start below end")
    if layout.namespace is None and (start, end) != (0, BUCKETS):
        raise ValueError(
            f"the range is [{layout.start}, {layout.end}) of no namespace: name it, or leave the range out"
        )
