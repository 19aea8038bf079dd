"""What the report says of the adversary filter and of each group, in sentences; every figure in them is the run's."""

import math
import statistics
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from assets.report.adversary_schema import ReportAdversary, ReportGroup
from assets.report.typesetting import counted, day

RULES: Final = {
    "love_streak": "love everything (online)",
    "loves_everything": "loves everything (daily)",
    "confirmed": "confirmed by hand",
}
"""Names of rules that do not speak for themselves."""
_UNITS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


def rule(name: str) -> str:
    """A rule's or attack's name for people.

    >>> rule("rate_per_user")
    'rate per user'
    """
    return RULES.get(name, name.replace("_", " "))


def lasting(took: timedelta) -> str:
    """How long something took, in the unit that fits.

    >>> lasting(timedelta(hours=60)), lasting(timedelta(seconds=40))
    ('2.5 days', '40 seconds')
    """
    seconds = took.total_seconds()
    unit, length = next((each for each in _UNITS if seconds >= 1.5 * each[1]), _UNITS[-1])
    return f"{seconds / length:.0f} {unit}" if seconds >= 10 * length else f"{seconds / length:.2g} {unit}"


def caption(found: ReportGroup) -> str:
    """A group in words: members, span, what they share, how closely, and how unlikely that is."""
    return " ".join(each for each in (_who(found), _what(found), _how_close(found), _how_unlikely(found)) if each)


def adversary(found: ReportAdversary) -> list[str]:
    """The filter's work as sentences for the top of the report."""
    lines = []
    if found.left_out is not None and found.loves:
        lines.append(
            f"The adversary filter left {found.left_out:,.4g} of the log's {counted(found.loves, 'love')} out of what "
            f"is learnt ({found.left_out / found.loves:.1%}); {_aside(found)}."
        )
    if found.recall is not None and found.honest_loss is not None:
        lines.append(
            f"By the hidden truth it caught {found.recall:.0%} of the attacks' loves, and {found.honest_loss:.2%} of "
            "the honest ones went with them."
        )
    return lines


def _aside(found: ReportAdversary) -> str:
    aside, users = found.users_aside or 0, found.users or 0
    log = f"{aside:,} of its {counted(users, 'user')} {'is' if aside == 1 else 'are'} in quarantine"
    if not found.test_users:
        return log
    tested = counted(found.test_users, "user", "users")
    return f"{log}, and {found.test_users_aside or 0:,} of the {tested} whom the A/B test alone served"


def nobody(found: ReportAdversary) -> str:
    """What it means that no group is drawn."""
    if not found.days:
        return (
            "No day was judged, so no group could be found: the daily job has not run on this log, or no day of it is "
            "over yet. What the online rules left out stands above."
        )
    floor = f" {' '.join(found.sentences)}" if found.sentences else ""
    return (
        f"No group was found in {counted(len(found.days), 'judged day')}: no accounts loved the same things at the "
        "same moments more often than the same accounts do when their days are shuffled."
        f"{floor} Smaller or slower groups may be there."
    )


def _who(found: ReportGroup) -> str:
    begins, ends = (datetime.fromisoformat(at) if at else None for at in (found.begins, found.ends))
    span = f" within {lasting(ends - begins)}, from {day(begins)} on" if begins and ends else ""
    return f"{counted(found.members, 'account')}{span}."


def _what(found: ReportGroup) -> str:
    shared = sum(place is not None for _, place, _ in found.loves)
    things = "one thing" if len(found.objects) == 1 else counted(len(found.objects), "thing")
    widest = found.objects[0].accounts if found.objects else 0
    if not shared:
        return "Nothing that they loved lies in the window any more."
    return (
        f"{shared} of their {counted(len(found.loves), 'love')} are on {things} that more than one of them loved; "
        f"the most shared one unites {widest}."
    )


def _how_close(found: ReportGroup) -> str:
    moments: dict[int, list[datetime]] = defaultdict(list)
    for _, place, at in found.loves:
        if place is not None:
            moments[place].append(datetime.fromisoformat(at))
    apart = [(after - before).total_seconds() for each in moments.values() for before, after in pairwise(sorted(each))]
    if not apart:
        return ""
    median = lasting(timedelta(seconds=statistics.median(apart)))
    return f"On the same thing they follow each other by {median} (median)."


def _how_unlikely(found: ReportGroup) -> str:
    line = f"It stands at {found.score:.3g} times the line that shuffled days set."
    if found.surprise is None:
        return f"{line} Density {found.density:.2f}." if found.density is not None else line
    tens = found.surprise / math.log(10)
    return (
        f"{line} Were the coincidences independent, accounts that know nothing of each other would show them with a "
        f"chance of 1 in 10^{tens:.0f}."
    )
