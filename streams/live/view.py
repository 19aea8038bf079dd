"""What the guard's web port shows: JSON for programs, one page for people."""

import heapq
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import msgspec

from streams.live.guard import Guard

TOP = 20
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>loveloop live guard</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222 }}
h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1.05rem; margin: 1.8rem 0 .3rem }} p {{ color: #555; margin: .2rem 0 }}
table {{ border-collapse: collapse; width: 100% }} th, td {{ text-align: left; padding: .25rem .8rem .25rem 0 }}
td {{ border-top: 1px solid #ddd; overflow-wrap: anywhere }} td.number, th.number {{ text-align: right }}
.off {{ background: #b00020; color: #fff; padding: .6rem 1rem; border-radius: .4rem }}
</style></head><body>
<h1>Live guard</h1>
<p>{lines:,} lines read by this worker from partitions {partitions}; {unreadable:,} could not be read. Newest event:
{newest}.</p>
{trips}
<h2>Arms</h2>{arms}
<h2>Highest rates of reactions a minute</h2>{users}
<h2>Latest flags</h2>{flags}
</body></html>
"""


def totals(guard: Guard) -> dict[str, Any]:
    """Everything in short: this worker's partitions and lines, all arms, the latest flags, what tripped."""
    return {
        "partitions": sorted(guard.partitions),
        "lines": sum(each.lines for each in guard.partitions.values()),
        "unreadable": sum(each.unreadable for each in guard.partitions.values()),
        "arms": arms(guard),
        "flags": flags(guard)[:50],
        "tripped": trips(guard),
    }


def arms(guard: Guard) -> list[dict[str, Any]]:
    """Counts and rates per arm over everything that the guards remember, all workers together."""
    rows = sorted(guard.board.totals().items(), key=lambda row: tuple(str(name) for name in row[0]))
    return [
        {
            "experiment": experiment,
            "arm": arm,
            "policy": policy,
            "served": served,
            "loves": loves,
            "closings": closings,
            "love_rate": loves / served,
            "closing_rate": closings / served,
        }
        for (experiment, arm, policy), (served, loves, closings) in rows
    ]


def flags(guard: Guard) -> list[dict[str, Any]]:
    """The latest flags of all workers, the newest first."""
    found: list[dict[str, Any]] = msgspec.to_builtins(list(reversed(guard.recent)))
    return found


def users(guard: Guard) -> list[dict[str, Any]]:
    """The users, devices and networks of this worker's partitions with the most changes in a minute, the most first."""
    rates: dict[tuple[str, str], int] = {}
    for each in guard.partitions.values():
        rates |= {("user", name): rate.count for name, rate in each.rates()}
    for shared in guard.shared.values():
        for (subject, key, _), count in shared.rates():
            rates[subject, key] = max(count, rates.get((subject, key), 0))
    return [
        {"subject": subject, "key": key, "reactions": count, "line": guard.rules.line(subject)}
        for (subject, key), count in heapq.nlargest(TOP, rates.items(), key=lambda rate: rate[1])
    ]


def trips(guard: Guard) -> list[dict[str, Any]]:
    """What tripped, the latest first."""
    found: list[dict[str, Any]] = msgspec.to_builtins(sorted(guard.trips.values(), key=lambda trip: trip.tripped_at))
    return found[::-1]


def page(guard: Guard) -> str:
    """All of it as one page that loads itself again every 5 s and nothing else."""
    seen = totals(guard)
    return _PAGE.format(
        lines=seen["lines"], unreadable=seen["unreadable"],
        partitions=", ".join(map(str, seen["partitions"])) or "none",
        newest=f"{guard.board.newest:%Y-%m-%d %H:%M:%S} UTC",
        trips="".join(map(_trip, seen["tripped"])) or "<p>No arm has tripped.</p>",
        arms=_table(seen["arms"], ("experiment", "arm", "policy", "served", "love_rate", "closing_rate")),
        users=_table(users(guard), ("subject", "key", "reactions", "line")),
        flags=_table(
            [flag | {"who": flag["user_id"] or flag["key"]} for flag in seen["flags"]],
            ("flagged_at", "rule", "subject", "who", "score"),
        ),
    )  # fmt: skip


def _trip(trip: Mapping[str, Any]) -> str:
    name = f"{trip['experiment']} / {trip['arm']}"
    why = f"{trip['metric'].replace('_', ' ')} {trip['rate']:.2%} against {trip['reference']:.2%} ({trip['against']})"
    return f'<p class="off"><strong>{escape(name)}</strong> must not be served: {escape(why)}</p>'


def _table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th{_number(rows[0][name])}>{name.replace('_', ' ')}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td{_number(row[name])}>{_cell(name, row[name])}</td>' for name in names)}</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _number(value: object) -> str:
    return ' class="number"' if isinstance(value, int | float) else ""


def _cell(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2%}" if name.endswith("_rate") else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else escape("-" if value is None else str(value))
