"""The lift ledger: what was predicted, what was measured, and so how far P[Love] may be trusted next time."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import numpy as np

from experiments.intervals import Interval, fisher_z

TRUSTED_ABOVE = 0.9
"""The published gate: proceed on predictions when r is above it (RLUF, arXiv 2505.14946)."""


class Row(NamedTuple):
    """One experiment. Lifts are relative: 0.1 is +10 %; `failed` names the gates that the candidate had failed."""

    candidate: str
    predicted_lift: float
    measured_lift: float | None
    measured_low: float | None
    measured_high: float | None
    experiment: str
    date: date
    failed: tuple[str, ...] = ()


class Agreement(NamedTuple):
    """How well predictions agreed with experiments: Pearson r with a Fisher-z interval, or None and why in `words`."""

    r: float | None
    ci: Interval | None
    experiments: int
    passed: bool
    words: str


def row(
    candidate: str,
    *,
    predicted_lift: float,
    measured_lift: float | None,
    measured_ci: tuple[float, float],
    experiment: str,
    day: date,
) -> Row:
    """A row; a limit that is not finite is kept as None.

    >>> figures = {"predicted_lift": 0.4, "measured_lift": 0.3, "measured_ci": (0.2, math.inf)}
    >>> made = row("love-0.1", **figures, experiment="warmer", day=date(2026, 1, 1))
    >>> made.measured_low, made.measured_high
    (0.2, None)
    """
    low, high = (value if math.isfinite(value) else None for value in measured_ci)
    return Row(candidate, predicted_lift, measured_lift, low, high, experiment, day)


def agreement(rows: Sequence[Mapping[str, Any]]) -> Agreement:
    """Correlate predicted with measured lifts.

    >>> agreement([{"predicted_lift": 0.3, "measured_lift": 0.2}]).words
    '1 experiment with both lifts: at least 3 are needed before a correlation says anything'

    Args:
        rows: Mappings with predicted_lift and measured_lift (`Row._asdict()` or the warehouse's ledger); rows that lack
            one of them, or hold one that is not finite, are left out.
    """
    pairs = np.array([(each["predicted_lift"], each["measured_lift"]) for each in rows], dtype=float).reshape(-1, 2)
    known = pairs[np.isfinite(pairs).all(axis=1)]
    count = len(known)
    if count < 3:
        plural = "" if count == 1 else "s"
        words = f"{count} experiment{plural} with both lifts: at least 3 are needed before a correlation says anything"
        return Agreement(None, None, count, False, words)
    if not np.ptp(known, axis=0).all():
        return Agreement(
            None, None, count, False, f"all {count} predicted or measured lifts are the same: no correlation"
        )
    r = float(np.clip(np.corrcoef(known.T)[0, 1], -1, 1))
    interval, passed = fisher_z(r, count), r > TRUSTED_ABOVE
    verdict = "P[Love] may be trusted to rank" if passed else "P[Love] may not be trusted on its own"
    span = f"r = {r:.2f} ({interval.low:.2f} to {interval.high:.2f})"
    words = f"{verdict}: {span} over {count} experiments, gate {TRUSTED_ABOVE}"
    return Agreement(r, interval, count, passed, words)
