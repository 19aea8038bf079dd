"""What an A/B test measures: each metric's numerator, denominator, direction, margin and cap, settled beforehand.

A ratio metric divides sums over users, as in loves per exposure. Its denominator comes after the treatment: a treatment
that drives away those who love seldom raises loves per exposure, and nobody loves more. So a mean per *assigned user*,
whose denominator is dealt and not earned, stands beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from stats import limits
from stats.estimate import Floats

Better = Literal["more", "fewer"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of each arm, and which way is better.

    >>> print(Metric("hugs", "hugs", per=None, cap=5).words)
    hugs per user, at most 5 of a user counted, more is better

    Attributes:
        name: What settings and tables call it.
        column: Of a table with a row a user: the numerator.
        per: The column of the denominator; None for a mean over the users of the arm.
        better: Whether more of it or fewer are better.
        margin: As a guardrail, the ratio of treatment to control that is just tolerable: the most where fewer are
            better, the least where more are; None for no guardrail.
        cap: Of a user's numerator as much as this counts, and no more (winsorised); None for all of it.
        binary: A user counts once, who has any of it, or not at all.
        title: What people call it; empty for the name.

    Raises:
        ValueError: A direction, a margin or a cap that cannot be.
    """

    name: str
    column: str
    per: str | None = "exposures"
    better: Better = "more"
    margin: float | None = None
    cap: float | None = None
    binary: bool = False
    title: str = ""

    def __post_init__(self) -> None:
        if not (self.name and self.column):
            raise ValueError(f"metric {self.name!r} of column {self.column!r}: both must be named")
        checked_direction(f"metric {self.name}: better", self.better)
        if self.margin is not None:
            checked_margin(f"metric {self.name}: margin", self.margin, self.better)
        if self.cap is not None:
            limits.positive(f"metric {self.name}: cap", self.cap, "see metrics.cap_from, or None for no cap")

    @property
    def words(self) -> str:
        """The metric in a line, with all that was settled."""
        capped = f", at most {self.cap:g} of a user counted" if self.cap is not None else ""
        side = "most" if self.better == "fewer" else "least"
        margin = f", at {side} {self.margin:g} times the control's" if self.margin is not None else ""
        title = self.title or f"{self.name} per {(self.per or 'user').removesuffix('s')}"
        return f"{title}{capped}, {self.better} {'are' if self.better == 'fewer' else 'is'} better{margin}"


def checked_direction(name: str, better: Any) -> Better:
    """The direction as it is.

    Raises:
        ValueError: Neither "more" nor "fewer".
    """
    if better not in ("more", "fewer"):
        raise ValueError(f"{name} == {better!r}, must be 'more' or 'fewer': which of the two people would want")
    direction: Better = better
    return direction


def checked_margin(name: str, margin: Any, better: Better) -> float:
    """A margin on the ratio of treatment to control, on the tolerant side of 1.

    Raises:
        ValueError: It is no positive number, or asks for an improvement.
    """
    value = limits.positive(name, margin, "1.25 where a quarter more is tolerable, 0.95 where a twentieth less is")
    if (value < 1) if better == "fewer" else (value > 1):
        side = "1 or more" if better == "fewer" else "1 or less"
        raise ValueError(f"{name} == {margin!r}, must be {side} where {better} are better: a guardrail tolerates harm")
    return value


STANDARD: Final = {
    metric.name: metric
    for metric in (
        Metric("loves_per_exposure", "loves", title="loves per exposure"),
        Metric("loves_per_user", "loves", per=None, margin=0.95, title="loves per assigned user"),
        Metric("lovers", "loves", per=None, binary=True, title="users who love"),
        Metric("exposures_per_user", "exposures", per=None, margin=0.95, title="exposures per user"),
        Metric("returns", "returned", per=None, margin=0.95, binary=True, title="users who return"),
        Metric("closings_per_exposure", "closings", better="fewer", margin=1.25, title="needless closings"),
        Metric("unsafe_per_exposure", "unsafe", better="fewer", margin=1.25, title="unsafe responses"),
        Metric("p_love", "p_love", title="mean P[Love]"),
    )
}
"""By name. Loves per assigned user are a guardrail of loves per exposure, and so are exposures and returns: none of the
three can rise by driving users away."""


def values(metric: Metric, columns: Mapping[str, NDArray[Any]]) -> tuple[Floats, Floats]:
    """Each user's numerator and denominator.

    >>> values(Metric("loves", "loves", cap=3), {"loves": np.array([9, 0]), "exposures": np.array([20, 5])})
    (array([3., 0.]), array([20.,  5.]))

    Args:
        metric: Whose.
        columns: By name, each of shape [users].

    Returns:
        x and y of shape [users], for `effect.sums`; y is 1 for a mean per user.

    Raises:
        ValueError: A column is missing or of another length, holds what is no number, NaN, infinite or negative, or a
            user has a numerator without a denominator.
    """
    x = _column(metric, metric.column, columns)
    y = np.ones(len(x)) if metric.per is None else _column(metric, metric.per, columns)
    if len(x) != len(y):
        raise ValueError(
            f"metric {metric.name}: {len(x)} users in column {metric.column}, {len(y)} in {metric.per}, "
            "must be one row for each user in both"
        )
    _refuse(metric, metric.column, x, (x > 0) & (y == 0), f"must be 0 where {metric.per} is 0: is the join right?")
    if metric.binary:
        x = (x > 0).astype(np.float64)
    return (x if metric.cap is None else np.minimum(x, metric.cap)), y


def cap_from(history: NDArray[Any], quantile: float = 0.999) -> float:
    """The cap that a test settles on beforehand: so much of a count that only one user in a thousand has more.

    >>> cap_from(np.repeat([0, 1, 2, 300], [900, 80, 19, 1]))
    2.0

    Args:
        history: The count of each user over a past window as long as the test, shape [users].
        quantile: Of the users, those without any among them.

    Returns:
        A whole count, 1 at least.

    Raises:
        ValueError: No users, a count that is NaN, infinite or negative, or a quantile outside (0, 1).
    """
    limits.level("quantile", quantile, "0.999 caps the one user in a thousand who has most")
    counts = _column(Metric("cap", "history"), "history", {"history": history})
    if not len(counts):
        raise ValueError("a history of 0 users gives no cap: take a window with traffic, or settle on a count")
    return float(max(1, np.ceil(np.quantile(counts, quantile, method="inverted_cdf"))))


def _column(metric: Metric, name: str, columns: Mapping[str, NDArray[Any]]) -> Floats:
    if name not in columns:
        raise ValueError(f"metric {metric.name}: column {name} is missing, there are {sorted(columns)}")
    given = np.asarray(columns[name])
    if given.ndim != 1 or given.dtype.kind not in "biuf":
        rule = "must be numbers, one for each user"
        raise ValueError(f"metric {metric.name}: column {name} has shape {given.shape} of {given.dtype}, {rule}")
    numbers = given.astype(np.float64)
    wrong = ~(np.isfinite(numbers) & (numbers >= 0))
    _refuse(metric, name, numbers, wrong, "must be finite and 0 or more: 0 where nothing was seen")
    return numbers


def _refuse(metric: Metric, name: str, numbers: Floats, wrong: NDArray[np.bool_], rule: str) -> None:
    places = np.flatnonzero(wrong)
    if len(places):
        more = f", {len(places):,} such rows" if len(places) > 1 else ""
        seen = f"column {name} holds {numbers[places[0]]:g} (row {places[0] + 1:,}{more})"
        raise ValueError(f"metric {metric.name}: {seen}, {rule}")
