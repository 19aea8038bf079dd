"""The guard's page for people: one file that loads nothing else, and fetches itself every few seconds."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from streams.live import view
from streams.live.guard import Guard
from streams.live.style import SCRIPT, STYLE
from streams.live.switch import ArmStanding

MOST_ARMS = 100
"""Rows of the arms' table, those with the most responses."""
_FLAGS = 50
_STATES = {"starting": "Starting", "away": "The broker does not answer", "stale": "Counting stands still"}
_METRICS = {"closing_rate": "needless closings", "love_rate": "Love rate"}

Cell = tuple[str, str]
"""Class and HTML of a table's cell."""


def page(guard: Guard) -> str:
    """The whole page; the script puts a later one's <main> and banner in the place of its own."""
    banner = _banner(guard)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>loveloop live guard</title>
<noscript><meta http-equiv="refresh" content="5"></noscript><style>{STYLE}</style></head><body>
<h1>Live guard</h1>
<div id="banner" role="status" aria-live="polite">{banner}</div>
<main>
{_numbers(guard)}
{"".join(map(_trip, view.trips(guard)))}
<h2>Arms</h2>{_arms(guard)}
<h2>Highest rates of the last hour</h2>{_users(guard)}
<h2>Latest flags</h2>{_flags(guard)}
</main>
<footer><nav aria-label="For programs">For programs: <a href="/">all</a> <a href="/arms">arms</a>
<a href="/evidence">evidence</a> <a href="/flags">flags</a> <a href="/users">rates</a>
<a href="/kill-switch">kill switch</a> <a href="/metrics">metrics</a> <a href="/health">health</a></nav>
<p>Times are UTC. Intervals are 95 % (Wilson, with the design effect {guard.rules.design_effect:g}).</p></footer>
<script>{SCRIPT}</script></body></html>
"""


def ago(seconds: float) -> str:
    """An age, or how far ahead, in the unit that suits it.

    >>> ago(3.2), ago(200), ago(-7200), ago(864000)
    ('3 s ago', '3 min ago', '2 h ahead', '10 days ago')
    """
    size = abs(seconds)
    units = ((1, "s", 120.0), (60, "min", 7_200.0), (3_600, "h", 172_800.0), (86_400, "days", float("inf")))
    unit, name = next((unit, name) for unit, name, below in units if size < below)
    return f"{size / unit:.0f} {name} {'ago' if seconds > -0.5 else 'ahead'}"


def _banner(guard: Guard) -> str:
    """What is wrong; the ages change at every look and are not read aloud each time."""
    pulse = guard.pulse
    state, seen = pulse.state(), view.health(guard)["refreshed_at"]
    if state == "well":
        return ""
    numbers = f"The numbers below are of {_clock(seen)} UTC ({ago(pulse.age() or 0)})." if seen else "No numbers yet."
    why = escape(pulse.trouble() or "")
    return (
        f'<p class="banner {"wait" if state == "starting" else "bad"}"><strong>{_STATES[state]}.</strong> '
        f'<span class="ages" aria-live="off">{numbers} Reason: {why}.</span></p>'
    )


def _numbers(guard: Guard) -> str:
    """The tiles: broker, refresh, lag, speed, newest event, lines, since when."""
    seen = view.health(guard)
    lag, newest = sum(seen["lag"].values()), view.newest_event(guard)
    held = ", ".join(seen["lag"]) or "none"
    event = (_clock(newest.isoformat()), ago(_age(newest))) if newest else ("no event yet", "")
    refreshed = (_clock(seen["refreshed_at"]), ago(seen["age_seconds"])) if seen["refreshed_at"] else ("not yet", "")
    away = seen["broker_away_since"]
    tiles = (
        ("Broker", "away" if away else "up", f"since {_clock(away)}" if away else ""),
        ("Last refresh", *refreshed),
        ("Lag", f"{lag:,} messages", f"partitions {held}"),
        ("Events a second", f"{seen['events_per_second']:,.1f}", "over a minute"),
        ("Newest event", *event),
        ("Events read", f"{guard.lines:,}", f"{guard.unreadable:,} could not be read"),
        ("Running since", _clock(seen["since"]), ago(guard.pulse.clock() - guard.pulse.since)),
    )
    return f"<dl>{''.join(_tile(*tile) for tile in tiles)}</dl>"


def _tile(name: str, value: str, more: str) -> str:
    kind = ' class="bad"' if (name, value) == ("Broker", "away") else ""
    return f"<div{kind}><dt>{name}</dt><dd>{escape(value)}<small>{escape(more)}</small></dd></div>"


def _trip(trip: dict[str, Any]) -> str:
    name = f"{trip['experiment']} / {trip['arm']}"
    why = f"{trip['metric'].replace('_', ' ')} {trip['rate']:.2%} against {trip['reference']:.2%} ({trip['against']})"
    when = _clock(trip["tripped_at"])
    return f'<p class="banner bad"><strong>{escape(name)}</strong> must not be served: {escape(why)}, since {when}.</p>'


def _arms(guard: Guard) -> str:
    """One row for each arm, its policies added up, the largest experiments' arms beside each other."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in view.arms(guard):
        key = (row["experiment"], row["arm"]) if row["experiment"] else (None, None, row["policy"])
        found.setdefault(key, []).append(row)
    most = sorted(found.values(), key=lambda rows: -sum(row["served"] for row in rows))[:MOST_ARMS]
    shown = [rows for rows in found.values() if rows in most]
    more = f"<p>{len(found) - len(shown):,} smaller arms are not shown.</p>" if len(found) > len(shown) else ""
    heads = (
        "Experiment", "Arm", "Policy", "Served", "Loves", "Love rate", "Closings", "Closing rate", "Evidence", "Status",
        "Since",
    )  # fmt: skip
    return _table("Arms", heads, [_arm(guard, rows) for rows in shown], "No arm yet.") + more


def _arm(guard: Guard, rows: list[dict[str, Any]]) -> tuple[str, list[Cell]]:
    experiment, arm, tripped = rows[0]["experiment"], rows[0]["arm"], rows[0]["tripped"]
    served, loves, closings = (sum(row[name] for row in rows) for name in ("served", "loves", "closings"))
    seen = view.rates(guard, served, loves, closings)
    control = arm == guard.rules.control
    status = "off: must not be served" if tripped else "control" if control else "watched" if experiment else "no test"
    test = view.nearest(guard, experiment, arm) if experiment else None
    return "off" if tripped else "", [
        ("long", escape(experiment or "-")),
        ("long", escape(arm or "-")),
        ("long", escape(", ".join(row["policy"] for row in rows))),
        ("number", f"{served:,}"),
        ("number", f"{loves:,}"),
        ("number", _rate(seen["love_rate"], seen["love_interval"])),
        ("number", f"{closings:,}"),
        ("number", _rate(seen["closing_rate"], seen["closing_interval"])),
        ("", _evidence(test)),
        ("status", status),
        ("", _clock(min(row["since"] for row in rows))),
    ]


def _rate(rate: float, interval: tuple[float, float]) -> str:
    return f"{rate:.2%}<small>{100 * interval[0]:.2f} to {interval[1]:.2%}</small>"


def _evidence(test: ArmStanding | None) -> str:
    """How near the arm's nearest test is to its line, as a bar and in words."""
    if test is None:
        return "-"
    if test.rate is None:
        return "<small>no window is over yet</small>"
    what = f"{_METRICS[test.metric]} against {'the limit' if test.against == 'limit' else test.against}"
    said = f"{test.way:.0%} of the way to its line"
    values = f"log evidence {test.log_evidence:.2f}, line {test.line:.2f}"
    bar = f'<span class="bar" aria-hidden="true"><i style="width:{test.way:.0%}"></i></span>'
    return f"{bar}{said}<small>{escape(what)}; {values}</small>"


def _users(guard: Guard) -> str:
    rows = [
        (
            "off" if row["reactions"] >= row["line"] else "",
            [
                ("", row["subject"]), ("long", escape(row["key"])), ("number", f"{row['reactions']:,}"),
                ("number", f"{row['line']:,}"), ("", f"{_clock(row['at'])}<small>{ago(_age(row['at']))}</small>"),
            ],
        )
        for row in view.users(guard)
    ]  # fmt: skip
    heads = ("Subject", "Who", "Reactions a minute", "Line", "When")
    return _table("Highest rates", heads, rows, "Nobody reacted in the hour before the newest event.")


def _flags(guard: Guard) -> str:
    rows = [
        (
            "",
            [
                ("", f"{_clock(flag['flagged_at'])}<small>{ago(_age(flag['flagged_at']))}</small>"),
                ("", escape(flag["rule"].replace("_", " "))), ("", escape(flag["subject"])),
                ("long", escape(flag["user_id"] or flag["key"] or "-")), ("number", f"{flag['score']:.2f}"),
            ],
        )
        for flag in view.flags(guard)[:_FLAGS]
    ]  # fmt: skip
    return _table("Latest flags", ("When", "Rule", "Subject", "Who", "Times the line"), rows, "No flag yet.")


def _table(caption: str, heads: Sequence[str], rows: Iterable[tuple[str, Sequence[Cell]]], nothing: str) -> str:
    """A table that becomes one card a row on a phone; roles are said, since `display: block` takes them away."""
    body = "".join(
        f'<tr role="row" class="{kind}">{"".join(map(_cell, heads, cells))}</tr>' for kind, cells in rows
    )  # fmt: skip
    if not body:
        return f"<p>{nothing}</p>"
    kinds = {head: kind for _, cells in rows for head, (kind, _) in zip(heads, cells, strict=True)}
    top = "".join(f'<th scope="col" role="columnheader" class="{kinds[head]}">{head}</th>' for head in heads)
    return (
        f'<table role="table"><caption>{caption}</caption><thead role="rowgroup"><tr role="row">{top}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )


def _cell(head: str, cell: Cell) -> str:
    return f'<td role="cell" class="{cell[0]}" data-head="{head}"><span>{cell[1]}</span></td>'


def _age(moment: datetime | str) -> float:
    seen = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return (datetime.now(UTC) - seen).total_seconds()


def _clock(stamp: str) -> str:
    """`2026-03-01 12:00:05` of an ISO stamp; the day is left out when it is today."""
    moment = datetime.fromisoformat(stamp).astimezone(UTC)
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.now(UTC).date() else f"{moment:%Y-%m-%d %H:%M:%S}"
