"""How a report writes figures, intervals, dates and counts."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from assets.facts.stage_facts import Pair
from stats.digits import beside


def percent(value: float | None, decimals: int = 1) -> str:
    """A share as a signed percentage.

    >>> percent(0.341), percent(None)
    ('+34.1%', 'not known')
    """
    return "not known" if value is None else typeset(f"{value * 100:+.{decimals}f}%")


def rate(value: float | None, decimals: int = 2) -> str:
    """A share as a percentage without a sign.

    >>> rate(0.0072)
    '0.72%'
    """
    return "not known" if value is None else f"{value * 100:.{decimals}f}%"


def number(value: float | None, decimals: int = 3) -> str:
    """A plain figure.

    >>> number(0.6429)
    '0.643'
    """
    return "not known" if value is None else typeset(f"{value:.{decimals}f}")


def signed(value: float | None, decimals: int = 3) -> str:
    """A plain difference, with its sign.

    >>> signed(0.1)
    '+0.100'
    """
    return "not known" if value is None else typeset(f"{value:+.{decimals}f}")


def typeset(text: str) -> str:
    """Hyphens before figures become minus signs, those inside names stay; an endless limit is said in words.

    >>> typeset("love-0.1: -2% to +3%") == "love-0.1: \N{MINUS SIGN}2% to +3%"
    True
    >>> typeset("-100.0% to +inf% at any look") == "\N{MINUS SIGN}100.0% or more at any look"
    True
    """
    ended = text.replace(" to +inf%", " or more").replace("-inf% to ", "at most ")
    return re.sub(r"(?<![\w.])-(?=[\d.])", "\N{MINUS SIGN}", ended)


def span(interval: Pair | None, kind: str = "percent", decimals: int = 1) -> str:
    """An interval in words.

    >>> span((0.1, 0.25))
    '+10.0% to +25.0%'
    """
    if interval is None:
        return "not known"
    show = {"percent": percent, "rate": rate, "number": number, "signed": signed}[kind]
    low, high = interval
    if low is None and high is None:
        return "not known"
    if low is None or high is None:
        return f"at most {show(high, decimals)}" if low is None else f"at least {show(low, decimals)}"
    return f"{show(low, decimals)} to {show(high, decimals)}"


def lifts(interval: Pair | None) -> str:
    """The interval of a relative lift, which cannot be below -100 %: from there to no end says nothing.

    >>> lifts((-1.0, None)), lifts((0.1, None))
    ('any lift is possible', 'at least +10.0%')
    """
    if interval is not None and (interval[0] is None or interval[0] <= -1) and interval[1] is None:
        return "any lift is possible"
    return span(interval)


def times(interval: Pair | None, most: float | None) -> str:
    """A ratio's interval beside the most that it may be, with the digits that tell them apart.

    >>> times((0.4, 1.2499), 1.25), times((0.4, None), 1.25), times((0.0, None), 1.25)
    ('0.40 to 1.2499 times', 'at least 0.40 times', 'not known yet')
    """
    if interval is None or interval[0] is None:
        return "not known"
    limit = 1.0 if most is None else most
    low = beside(interval[0], limit, "{:.2f}")
    if interval[1] is None:
        return f"at least {low} times" if interval[0] > 0 else "not known yet"
    return f"{low} to {beside(interval[1], limit, '{:.2f}')} times"


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number of things.

    >>> counted(1, "day"), counted(1200, "day"), counted(2, "copy was", "copies were")
    ('1 day', '1,200 days', '2 copies were')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def day(at: datetime) -> str:
    """A moment's day and time.

    >>> day(datetime(2026, 2, 3, 4, 5))
    '3 February 04:05'
    """
    return f"{at.day} {at:%B %H:%M}"


def moment(stamp: str | None) -> str:
    """An ISO stamp as people write it, in UTC; of a date alone, the date.

    >>> moment("2026-11-26T14:49:06+00:00"), moment("2026-03-02"), moment("2026-03-02T01:00:00+02:00")
    ('26 November 2026, 14:49 UTC', '2 March 2026', '1 March 2026, 23:00 UTC')
    """
    if stamp is None:
        return "not known"
    at = datetime.fromisoformat(stamp)
    if len(stamp) <= len("2026-01-01"):
        return f"{at.day} {at:%B %Y}"
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def sentence(text: str) -> str:
    """A reason as a sentence: a capital, minus signs, a full stop."""
    return typeset(f"{text[:1].upper()}{text[1:]}.")


def listed(names: Sequence[str]) -> str:
    """Names in a row.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
