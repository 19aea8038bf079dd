"""How much of the attacks a filter caught, what it cost honest users, and how long it took. Pure numpy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from adversary_parts.loves import NEVER, Bools, Floats, Ints, Loves

HOUR = 3_600_000_000
"""Microseconds."""


def judge(loves: Loves, seen_at: Ints, *, honest_loss: float) -> dict[str, Any]:
    """The figures of one world.

    Args:
        loves: As `loves.read` gives them, after the last day.
        seen_at: int64[n], when each love was first left out, microseconds since 1970; `NEVER` for what never was.
        honest_loss: The loss at which recall is also taken by moving the line through the scores.

    Returns:
        honest (loves, lost, loss, rules), precision, and attacks: by name as `_one_attack`.
    """
    honest, attack = loves.honest, loves.attack != ""
    masses = {"attack": float(loves.left_out[attack].sum()), "honest": float(loves.left_out[honest].sum())}
    everything = masses["attack"] + masses["honest"]
    line = line_at(loves.suspicion, honest, honest_loss)
    return {
        "honest": {
            "loves": int(honest.sum()),
            "lost": masses["honest"],
            "loss": masses["honest"] / max(1, int(honest.sum())),
            "rules": by_rule(loves, honest),
        },
        "precision": masses["attack"] / everything if everything else None,
        "attacks": {
            name: _one_attack(loves, seen_at, loves.attack == name, line)
            for name in sorted(set(loves.attack[attack].tolist()))
        },
    }


def _one_attack(loves: Loves, seen_at: Ints, own: Bools, line: tuple[float, float]) -> dict[str, Any]:
    """Loves, recall (by mass), recall at the given honest loss, rules, and times in hours."""
    return {
        "loves": int(own.sum()),
        "never_shown": int((own & ~loves.shown).sum()),
        "recall": float(loves.left_out[own].mean()),
        "recall_at_loss": float(beyond(loves.suspicion[own], line).mean()),
        "rules": by_rule(loves, own),
        "hours": hours(loves.at[own], seen_at[own]),
    }


def line_at(suspicion: Floats, honest: Bools, loss: float) -> tuple[float, float]:
    """The line that costs exactly this share of honest loves: what is above it is left out, of what is on it a part.

    Args:
        suspicion: float64[n], higher is worse.
        honest: bool[n], which loves the loss is counted over.
        loss: Share in [0, 1].

    Returns:
        The line, and the share of the loves on it that is left out too (ties are broken by lot, in expectation). A
        love without any suspicion is never left out.

    >>> line_at(np.array([0.0, 0.0, 0.5, 2.0]), np.ones(4, bool), 0.25)  # what lies above 0.5
    (0.5, 0.0)
    >>> line_at(np.array([0.0, 2.0, 2.0, 2.0]), np.ones(4, bool), 0.25)  # one of the three, by lot
    (2.0, 0.3333333333333333)
    """
    of_honest = suspicion[honest]
    budget = loss * len(of_honest)
    levels, counts = np.unique(of_honest[of_honest > 0], return_counts=True)
    above = np.cumsum(counts[::-1])[::-1]
    short = np.flatnonzero(above > budget)
    if not len(short):
        return float(np.nextafter(0.0, 1.0)), 1.0
    last = int(short[-1])
    left = budget - (above[last + 1] if last + 1 < len(above) else 0)
    return float(levels[last]), float(left / counts[last])


def beyond(suspicion: Floats, line: tuple[float, float]) -> Floats:
    """float64[n]: how much of each love such a line leaves out."""
    level, share = line
    return np.where(suspicion > level, 1.0, np.where(suspicion == level, share, 0.0))


def by_rule(loves: Loves, own: Bools) -> dict[str, float]:
    """How many of these loves each rule leaves out (several may), and what is left out without any rule.

    `trust` takes away a part, by mass; a love is `not counted` at all for a response that its user was never shown, or
    when it only tells again what was told before.
    """
    out = own & (loves.left_out > 0)
    rules = Counter(rule for place in np.flatnonzero(out).tolist() for rule in loves.rules[place])
    unflagged = out & (loves.score < 1)
    found = {
        "trust": float(loves.left_out[unflagged & (loves.left_out < 1)].sum()),
        "not counted": int((unflagged & (loves.left_out == 1)).sum()),
    }
    return dict(sorted(rules.items())) | {name: amount for name, amount in found.items() if amount}


def hours(at: Ints, seen_at: Ints) -> dict[str, Any]:
    """Times to detection, in hours.

    Args:
        at: int64[n], when each love of an attack was given.
        seen_at: int64[n], when it was first left out, or `NEVER`; a love that comes when its user is known counts 0.

    Returns:
        alarm: From the attack's first love to the first moment at which any of its loves was left out; None if that
        never came. median: Over the attack's loves, from each love to its being left out, those that never were counted
        as longer than all others; None if the median is one of them. censored: Share of loves that never were.
    """
    waited = np.where(seen_at == NEVER, np.inf, np.maximum(0, seen_at - at) / HOUR)
    median = float(np.sort(waited)[(len(waited) - 1) // 2])
    first = np.where(seen_at == NEVER, np.inf, np.maximum(seen_at, at)).min()
    return {
        "alarm": float((first - at.min()) / HOUR) if np.isfinite(first) else None,
        "median": median if np.isfinite(median) else None,
        "censored": float(np.mean(seen_at == NEVER)),
    }
