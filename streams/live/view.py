"""What the guard's web port shows, as plain data: times are ISO 8601 in UTC, rates and intervals shares of 1."""

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from stats.intervals import wilson
from streams.live.guard import Guard
from streams.live.switch import ArmStanding

TOP = 20
RECENT = timedelta(hours=1)
"""Rates that are shown as the highest are not older than this, in event time."""


def totals(guard: Guard) -> dict[str, Any]:
    """Everything in short: how the guard does, its partitions and lines, all arms, the latest flags, what tripped."""
    return {
        "partitions": sorted(guard.partitions),
        "lines": sum(each.lines for each in guard.partitions.values()),
        "unreadable": sum(each.unreadable for each in guard.partitions.values()),
        "health": health(guard),
        "arms": arms(guard),
        "flags": flags(guard)[:50],
        "tripped": trips(guard),
    }


def health(guard: Guard) -> dict[str, Any]:
    """Whether the numbers are those of now and, if not, why; how far behind and how fast the guard is."""
    pulse, newest = guard.pulse, newest_event(guard)
    trouble, age = pulse.trouble(), pulse.age()
    return {
        "healthy": trouble is None,
        "reason": trouble,
        "broker": "up" if pulse.lost is None else "away",
        "since": _stamp(pulse.clock() - pulse.since),
        "broker_away_since": None if pulse.lost is None else _stamp(pulse.clock() - pulse.lost),
        "refreshed_at": None if age is None else _stamp(age),
        "age_seconds": None if age is None else round(age, 1),
        "lag": {str(number): lag for number, lag in sorted(pulse.lag.items())},
        "events_per_second": round(pulse.events_per_second(), 1),
        "newest_event": newest and newest.isoformat(),
    }


def newest_event(guard: Guard) -> datetime | None:
    """Event time of the newest event that any worker counted, None before the first."""
    seen = [guard.board.newest, *(each.newest for each in guard.partitions.values())]
    return max(seen) if max(seen).timestamp() > 0 else None


def arms(guard: Guard) -> list[dict[str, Any]]:
    """Counts, rates and their 95 % intervals per arm and policy over all that is remembered, all workers together."""
    tripped = {trip.identity[:2] for trip in guard.trips.values()}
    since = guard.board.first_windows()
    rows = sorted(guard.board.totals().items(), key=lambda row: tuple(str(name) for name in row[0]))
    return [
        {
            "experiment": arm[0],
            "arm": arm[1],
            "policy": arm[2],
            "since": datetime.fromtimestamp(since[arm] * guard.board.window_seconds, UTC).isoformat(),
            **rates(guard, *counts),
            "tripped": arm[:2] in tripped,
        }
        for arm, counts in rows
    ]


def rates(guard: Guard, served: int, loves: int, closings: int) -> dict[str, Any]:
    """Counts with their rates and intervals; the interval makes the allowance for users that the evidence makes."""
    effect = guard.rules.design_effect
    return {
        "served": served,
        "loves": loves,
        "closings": closings,
        "love_rate": loves / served,
        "love_interval": wilson(min(loves, served), served, design_effect=effect),
        "closing_rate": closings / served,
        "closing_interval": wilson(min(closings, served), served, design_effect=effect),
    }


def evidence(guard: Guard) -> list[dict[str, Any]]:
    """Every test of every arm: its evidence, the line at which it trips, and the part of the way that it has come."""
    return [standing._asdict() | {"way": standing.way} for standing in guard.standings()]


def nearest(guard: Guard, experiment: str, arm: str) -> ArmStanding | None:
    """The test that is nearest to tripping an arm; None for a control arm, which is not tested."""
    found = [each for each in guard.standings() if (each.experiment, each.arm) == (experiment, arm)]
    return max(found, key=lambda each: each.log_evidence / each.line, default=None)


def flags(guard: Guard) -> list[dict[str, Any]]:
    """The latest flags of all workers, the newest first."""
    found: list[dict[str, Any]] = msgspec.to_builtins(list(reversed(guard.recent)))
    return found


def users(guard: Guard, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[dict[str, Any]]:
    """The users, devices and networks of this worker's partitions with the most changes in a minute, the most first.

    Those of the hour before the newest event; an event whose clock is ahead of ours does not hide the others.
    """
    newest = newest_event(guard)
    end = min(newest, clock()) if newest else clock()
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for subject, key, count, moment in _rates(guard):
        if moment >= (end - RECENT).timestamp() and count > found.get((subject, key), (0, 0.0))[0]:
            found[subject, key] = count, moment
    return [
        {
            "subject": subject, "key": key, "reactions": count, "line": guard.rules.line(subject),
            "at": datetime.fromtimestamp(moment, UTC).isoformat(),
        }
        for (subject, key), (count, moment) in heapq.nlargest(TOP, found.items(), key=lambda rate: rate[1])
    ]  # fmt: skip


def trips(guard: Guard) -> list[dict[str, Any]]:
    """What tripped, the latest first."""
    found: list[dict[str, Any]] = msgspec.to_builtins(sorted(guard.trips.values(), key=lambda trip: trip.tripped_at))
    return found[::-1]


def _rates(guard: Guard) -> Iterator[tuple[str, str, int, float]]:
    """Subject, key, reaction changes within a minute, and when (event time) of everybody who is remembered."""
    for each in guard.partitions.values():
        for name, rate in each.rates():
            yield "user", name, rate.count, rate.moments[-1]
    for shared in guard.shared.values():
        for (subject, key, minute), count in shared.rates():
            yield subject, key, count, minute * 60.0


def _stamp(seconds_ago: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat(timespec="seconds")
