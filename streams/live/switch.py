"""When an arm trips: pure functions from counts per window to trips."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from streams.live.board import Board
from streams.live.evidence import Window, log_evidence_above, log_evidence_over
from streams.live.messages import Metric, Trip
from streams.live.rules import Rules

_TESTS = 3
"""Of one arm: its closing rate against the limit and the control arm, its Love rate against the control arm."""

Windows = dict[int, list[int]]
"""Served, loves, closings by number of the window."""
_LOVES, _CLOSINGS = 1, 2


class _Arm(NamedTuple):
    experiment: str
    name: str
    windows: Windows
    control: Windows


def trips(board: Board, rules: Rules, known: Collection[tuple[str, str, str]] = ()) -> list[Trip]:
    """The arms that trip now, but for (experiment, arm, metric) that did before.

    A window's closings count when the window is over, its loves `settle_seconds` later, so that both arms' users have
    had their time. The arm named `rules.control` is what the others are compared with; it never trips itself.

    Args:
        board: What all guards counted.
        rules: Dials.
        known: What tripped before.
    """
    found: list[Trip] = []
    for arm in _arms(board, rules.control):
        if (arm.experiment, arm.name, "closing_rate") not in known:
            found += _closing(arm, board, rules)
        if (arm.experiment, arm.name, "love_rate") not in known:
            found += _love(arm, board, rules)
    return found


def _arms(board: Board, control: str) -> Iterator[_Arm]:
    """Every arm but the control arms, its policies and partitions added up."""
    found: dict[str, dict[str, Windows]] = defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: [0, 0, 0])))
    for window, (experiment, arm, _), counts in board.rows():
        if experiment is not None and arm is not None:
            row = found[experiment][arm][window]
            for column, count in enumerate(counts):
                row[column] += count
    for experiment, arms in found.items():
        theirs = arms.pop(control, {})
        yield from (_Arm(experiment, name, windows, theirs) for name, windows in arms.items())


def _closing(arm: _Arm, board: Board, rules: Rules) -> Iterator[Trip]:
    pairs = _pairs(arm, _CLOSINGS, board.newest.timestamp() // board.window_seconds)
    over = log_evidence_over(pairs, rules.closing_limit, design_effect=rules.design_effect)
    above = log_evidence_above(pairs, rules.closing_factor, design_effect=rules.design_effect)
    control = sum(w.y_events for w in pairs) / max(1, sum(w.y_served for w in pairs))
    for against, reference, evidence in (("limit", rules.closing_limit, over), (rules.control, control, above)):
        if evidence >= _line(rules):
            yield _trip(arm, "closing_rate", pairs, (against, reference, evidence), board.newest, alpha=rules.alpha)
            return


def _love(arm: _Arm, board: Board, rules: Rules) -> Iterator[Trip]:
    pairs = _pairs(arm, _LOVES, (board.newest.timestamp() - rules.settle_seconds) // board.window_seconds)
    swapped = [Window(w.y_served, w.y_events, w.x_served, w.x_events) for w in pairs]
    below = log_evidence_above(swapped, 1 / rules.love_floor, design_effect=rules.design_effect)
    if below >= _line(rules):
        control = sum(w.y_events for w in pairs) / max(1, sum(w.y_served for w in pairs))
        yield _trip(arm, "love_rate", pairs, (rules.control, control, below), board.newest, alpha=rules.alpha)


def _line(rules: Rules) -> float:
    return math.log(_TESTS / rules.alpha)


def _pairs(arm: _Arm, column: int, end: float) -> list[Window]:
    """The arm's counts beside the control arm's, in the order of time, of the windows before number `end`."""
    nothing = [0, 0, 0]
    both = [(arm.windows[n], arm.control.get(n, nothing)) for n in sorted(arm.windows) if n < end]
    return [Window(x[0], min(x[column], x[0]), y[0], min(y[column], y[0])) for x, y in both]


def _trip(
    arm: _Arm, metric: Metric, pairs: list[Window], why: tuple[str, float, float], newest: datetime, *, alpha: float
) -> Trip:
    served, events = sum(w.x_served for w in pairs), sum(w.x_events for w in pairs)
    against, reference, evidence = why
    return Trip(
        experiment=arm.experiment, arm=arm.name, metric=metric, against=against, rate=events / served,
        reference=reference, served=served, log_evidence=round(evidence, 3), alpha=alpha, tripped_at=newest,
    )  # fmt: skip
