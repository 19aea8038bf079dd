"""When an arm trips: pure functions from counts per window to evidence, and from evidence to trips."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from streams.live.board import Board
from streams.live.evidence import WindowCounts, log_evidence_above, log_evidence_over
from streams.live.messages import Metric, Trip
from streams.live.rules import Rules

_TESTS = 3
"""Of one arm: its closing rate against the limit and the control arm, its Love rate against the control arm."""

Windows = dict[int, list[int]]
"""Served, loves, closings by number of the window."""
_LOVES, _CLOSINGS = 1, 2


class ArmStanding(NamedTuple):
    """One test of one arm, and how near it is to tripping.

    Attributes:
        experiment: Name.
        arm: Name; never the control arm.
        metric: What is tested: `closing_rate` (too high) or `love_rate` (too low).
        against: `limit`, or the name of the control arm.
        rate: The arm's, over the windows that are looked at; None before the first.
        reference: The limit, or the control arm's rate over the same windows; None before the first.
        served: The arm's responses in those windows.
        log_evidence: Natural logarithm of the e-value.
        line: The arm trips when `log_evidence` reaches it.
    """

    experiment: str
    arm: str
    metric: Metric
    against: str
    rate: float | None
    reference: float | None
    served: int
    log_evidence: float
    line: float

    @property
    def way(self) -> float:
        """The part of the way to the line that the evidence has come, from 0 to 1."""
        return min(1.0, max(0.0, self.log_evidence / self.line))


class _Arm(NamedTuple):
    experiment: str
    name: str
    windows: Windows
    control: Windows


def standings(board: Board, rules: Rules) -> list[ArmStanding]:
    """Every test of every arm; those of one arm follow each other, in the order in which they may trip it.

    A window's closings count when the window is over, its loves `settle_seconds` later, so that both arms' users have
    had their time. The arm named `rules.control` is what the others are compared with; it is not tested itself.

    Args:
        board: What all guards counted.
        rules: Dials.
    """
    return [standing for arm in _arms(board, rules.control) for standing in _tests(arm, board, rules)]


def trips(
    standings: Iterable[ArmStanding], newest: datetime, alpha: float, known: Collection[tuple[str, str, str]] = ()
) -> list[Trip]:
    """The arms that trip now, each at most once a metric.

    Args:
        standings: Of all arms.
        newest: Event time of the newest event that was counted.
        alpha: As in the rules.
        known: (experiment, arm, metric) of those that tripped before.
    """
    found: dict[tuple[str, str, str], Trip] = {}
    for s in standings:
        if s.log_evidence < s.line or s.rate is None or s.reference is None:
            continue
        trip = Trip(
            experiment=s.experiment, arm=s.arm, metric=s.metric, against=s.against, rate=s.rate, reference=s.reference,
            served=s.served, log_evidence=round(s.log_evidence, 3), alpha=alpha, tripped_at=newest,
        )  # fmt: skip
        found.setdefault(trip.identity, trip)
    return [trip for identity, trip in found.items() if identity not in known]


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


def _tests(arm: _Arm, board: Board, rules: Rules) -> Iterator[ArmStanding]:
    """Against the limit, and where there is a control arm against that."""
    newest, effect = board.newest.timestamp(), rules.design_effect
    closings = _pairs(arm, _CLOSINGS, newest // board.window_seconds)
    line = math.log(_TESTS / rules.alpha)
    over = log_evidence_over(closings, rules.closing_limit, design_effect=effect)
    yield _standing(arm, ("closing_rate", "limit"), closings, rules.closing_limit, (over, line))
    if not arm.control:
        return
    above = log_evidence_above(closings, rules.closing_factor, design_effect=effect)
    yield _standing(arm, ("closing_rate", rules.control), closings, _control_rate(closings), (above, line))
    loves = _pairs(arm, _LOVES, (newest - rules.settle_seconds) // board.window_seconds)
    swapped = [WindowCounts(w.y_served, w.y_events, w.x_served, w.x_events) for w in loves]
    below = log_evidence_above(swapped, 1 / rules.love_floor, design_effect=effect)
    yield _standing(arm, ("love_rate", rules.control), loves, _control_rate(loves), (below, line))


def _pairs(arm: _Arm, column: int, end: float) -> list[WindowCounts]:
    """The arm's counts beside the control arm's, in the order of time, of the windows before number `end`."""
    nothing = [0, 0, 0]
    both = [(arm.windows[n], arm.control.get(n, nothing)) for n in sorted(arm.windows) if n < end]
    return [WindowCounts(x[0], min(x[column], x[0]), y[0], min(y[column], y[0])) for x, y in both]


def _control_rate(pairs: list[WindowCounts]) -> float | None:
    served = sum(w.y_served for w in pairs)
    return sum(w.y_events for w in pairs) / served if served else None


def _standing(
    arm: _Arm,
    test: tuple[Metric, str],
    pairs: list[WindowCounts],
    reference: float | None,
    evidence: tuple[float, float],
) -> ArmStanding:
    served, events = sum(w.x_served for w in pairs), sum(w.x_events for w in pairs)
    return ArmStanding(
        arm.experiment, arm.name, *test, events / served if served else None, reference, served, *evidence
    )
