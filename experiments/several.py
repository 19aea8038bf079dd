"""Several questions at once: how many of the answers "yes" may be luck.

| question | rule | bounds |
|---|---|---|
| treatment arms against one control, each with its interval | `split` | chance of any false yes, by Bonferroni |
| a few primary metrics, by p-values | `holm` | chance of any false yes |
| segments and secondary metrics, by e-values | `e_bh` | share of false ones among the yeses, at any look |
| the same by p-values, independent or rising together | `benjamini_hochberg` | the same, at one look |
"""

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

from stats import limits

Floats = npt.NDArray[np.float64]

_LEVEL = "0.05 for one in 20"
_KAPPA = 0.5


def e_bh(e_values: Mapping[str, float], alpha: float) -> dict[str, bool]:
    """Which nulls fall, with a false discovery rate of at most alpha under any dependence.

    Of m e-values the k largest fall, for the greatest k with `e_(k) >= m / (alpha k)` (Wang and Ramdas, arXiv
    2009.02824, the e-BH procedure). E-values of processes may be read at any moment that the data suggest.

    >>> e_bh({"web": 50.0, "phone": 35.0, "tablet": 2.0}, alpha=0.05)
    {'web': True, 'phone': True, 'tablet': False}

    Args:
        e_values: Evidence by name: at least 0, infinite for a proof, with an expectation of at most 1 under the null.
        alpha: Share of false discoveries to be expected at most.

    Raises:
        ValueError: An e-value that is negative or no number, or a level outside (0, 1).
    """
    limits.level("alpha", alpha, _LEVEL)
    wrong = {name: value for name, value in e_values.items() if not value >= 0}
    if wrong:
        raise ValueError(f"e-values == {wrong}, must be numbers of at least 0: evidence, not its logarithm")
    values = np.array([*e_values.values()], np.float64)
    largest = -np.sort(-values)
    fall = np.flatnonzero(largest * alpha * np.arange(1, len(values) + 1) >= len(values))
    least = largest[fall[-1]] if len(fall) else np.inf
    return _named(e_values, (values >= least) & bool(len(fall)))


def holm(p: Mapping[str, float], alpha: float) -> dict[str, bool]:
    """Which nulls fall, with a chance of at most alpha of any false one under any dependence.

    In the order of the p-values, the i-th of m falls while all before it do and `p_(i) <= alpha / (m - i + 1)`
    (Holm 1979): never less than Bonferroni finds.

    >>> holm({"loves": 0.01, "returns": 0.02, "closings": 0.04}, alpha=0.05)
    {'loves': True, 'returns': True, 'closings': True}

    Args:
        p: P-values by name.
        alpha: Chance of a false discovery.

    Raises:
        ValueError: A p-value outside [0, 1], or a level outside (0, 1).
    """
    limits.level("alpha", alpha, _LEVEL)
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    falls = np.empty(len(values), bool)
    falls[order] = np.logical_and.accumulate(values[order] * np.arange(len(values), 0, -1) <= alpha)
    return _named(p, falls)


def benjamini_hochberg(p: Mapping[str, float], alpha: float) -> dict[str, bool]:
    """Which nulls fall, with a false discovery rate of at most alpha if the p-values are independent or rise together.

    The k smallest of m fall, for the greatest k with `p_(k) <= alpha k / m` (Benjamini and Hochberg 1995; positive
    dependence: Benjamini and Yekutieli 2001). For p-values that are valid at any look use `e_bh` of `e_from_p`.

    >>> benjamini_hochberg({"loves": 0.01, "returns": 0.03, "closings": 0.2}, alpha=0.05)
    {'loves': True, 'returns': True, 'closings': False}

    Args:
        p: P-values by name.
        alpha: Share of false discoveries to be expected at most.

    Raises:
        ValueError: A p-value outside [0, 1], or a level outside (0, 1).
    """
    limits.level("alpha", alpha, _LEVEL)
    values = _checked(p)
    return _named(p, false_discovery_control(values) <= alpha if len(values) else np.zeros(0, bool))


def e_from_p(p: float) -> float:
    """The e-value `kappa p^(kappa - 1)` with kappa = 1/2, that is `1 / (2 sqrt(p))` (Vovk and Wang 2021).

    Its expectation is 1 where p is uniform. The price of a p-value that was not made for it: p = 0.0001 is worth 50.

    >>> e_from_p(0.0001)
    50.0

    Args:
        p: At 0 the e-value is infinite.

    Raises:
        ValueError: p lies outside [0, 1].
    """
    (value,) = _checked({"p": p})
    return float(_KAPPA * value ** (_KAPPA - 1)) if value > 0 else float("inf")


def split(alpha: float, arms: Collection[str]) -> dict[str, float]:
    """The level of each treatment arm against the control: alpha in equal parts (Bonferroni).

    The intervals that are drawn at these levels hold together with a chance of at least 1 - alpha, at any look where
    each does.

    >>> split(0.05, ["warmer", "shorter"])
    {'warmer': 0.025, 'shorter': 0.025}

    Args:
        alpha: For all arms together.
        arms: Names of the treatment arms, without the control.

    Raises:
        ValueError: No arm, an arm named twice, or a level outside (0, 1).
    """
    limits.level("alpha", alpha, _LEVEL)
    if isinstance(arms, str) or not arms or len(set(arms)) < len(arms):
        raise ValueError(f"arms == {arms!r}, must be the names of one treatment arm or several, each of them once")
    return {arm: alpha / len(arms) for arm in arms}


def _checked(p: Mapping[str, float]) -> Floats:
    wrong = {name: value for name, value in p.items() if not 0 <= value <= 1}
    if wrong:
        raise ValueError(f"p-values == {wrong}, must be in [0, 1]: leave out what was not tested")
    return np.array([*p.values()], np.float64)


def _named(names: Mapping[str, float], falls: npt.NDArray[np.bool_]) -> dict[str, bool]:
    return dict(zip(names, falls.tolist(), strict=True))
