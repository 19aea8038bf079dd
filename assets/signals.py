"""Which feedback signals foretell that people stay: the warehouse's rows, the statistics, and the words for both."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from experiments.association import Association, Ranking, rank
from experiments.design import Signal
from stats.estimate import Estimate

SIGNALS: Final = (
    Signal("love", "Love", "responses"),
    Signal("liked", "like", "responses"),
    Signal("disliked", "dislike", "responses"),
    Signal("continues", "continues the conversation", "conversations"),
    Signal("returned", "returns next day", "responses"),
    Signal("sentiment", "sentiment of the next message", "responses"),
)
"""Whoever goes on has more responses for it, so that signal is adjusted for conversations begun."""
COUNTS: Final = ("earlier_responses", "tenure_days")
CONTROLS: Final = {
    "earlier_responses": "responses in the 7 days before",
    "tenure_days": "days since the first one",
    "conversations": "responses (or conversations) of the day",
}


def ranked(path: str | Path, *, as_of: datetime | None = None, days: int = 14) -> Ranking:
    """Rank the signals in a warehouse against retention; arguments and errors as `warehouse.signals.user_days`.

    Raises:
        ValueError: The log is too short, or everybody stayed, or nobody did.
    """
    from warehouse.signals import user_days

    rows = user_days(path, as_of=as_of, days=days)
    if not len(rows):
        raise ValueError(
            f"no user-day has a known outcome: the log must hold at least {days + 8} days up to --as-of (a week before "
            f"a row's day, and {days} days after it); ingest more, or give fewer --days"
        )
    return rank(rows, SIGNALS, outcome="retained", user="user_id", counts=COUNTS, amount="conversations", group="arm")


def words(found: Ranking, days: int = 14) -> Iterator[str]:
    """The ranking as lines of text: what was looked at, the table, and what it does not say."""
    later = f"{days - 6} to {days} days later"
    yield f"{found.rows:,} days of {found.users:,} users; after {found.share:.1%} of them the user was there {later}"
    yield ""
    cells: list[tuple[str, ...]] = [
        ("signal", "given", "users", "odds ratio", "95 % interval", "alone", "jointly", "chance")
    ]
    cells += [_row(one) for one in found.associations]
    widths = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield from _remarks(found)


def plain(found: Ranking, days: int = 14) -> dict[str, Any]:
    """The ranking as values that JSON can hold; every estimate as value, low, high."""
    associations = [
        {name: each._asdict() if isinstance(each, Estimate) else each for name, each in one._asdict().items()}
        for one in found.associations
    ]
    return {"days": days, **found._asdict(), "controls": list(found.controls), "associations": associations}


def _row(one: Association) -> tuple[str, ...]:
    given = (one.label, f"{one.given / one.rows:.2%}" if one.rows else "-", f"{one.users:,}")
    if one.adjusted is None or one.effect is None:
        return (*given, "-", one.note, "", "", "")
    alone, jointly = (f"{each.value:.2f}" if each else "-" for each in (one.alone, one.joint))
    interval = f"{one.adjusted.low:.2f} to {one.adjusted.high:.2f}"
    change = f"{100 * one.effect.value:+.1f} points ({100 * one.effect.low:+.1f} to {100 * one.effect.high:+.1f})"
    return (*given, f"{one.adjusted.value:.2f}", interval, alone, jointly, change)


def _remarks(found: Ranking) -> Iterator[str]:
    for one in found.associations:
        if one.adjusted and one.note:
            yield f"{one.label}: {one.note}."
    tied = [f"{a.label} and {b.label}" for a, b in _neighbours(found) if a.apart is False]
    if tied:
        yield f"Not settled which is stronger: {'; '.join(tied)}."
    controls = ", ".join(CONTROLS.get(name, name) for name in found.controls)
    yield f"Adjusted for: {controls}. Intervals are robust to a user's days depending on each other."
    yield (
        "This is observation, not experiment. A signal that goes with staying need not cause it: whoever is content "
        "gives hearts and comes back. What is not in the tables (mood, need, older habits) is not adjusted for, and "
        "returning the next day is itself a form of staying. Having more of a signal promises nothing: whether people "
        "stay for what you change, an A/B test tells."
    )


def _neighbours(found: Ranking) -> Iterator[tuple[Association, Association]]:
    known = [one for one in found.associations if one.adjusted]
    yield from pairwise(known)
