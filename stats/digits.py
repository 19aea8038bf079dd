"""Figures beside the limit that they are held against: as many digits as the comparison needs to be seen."""

import re

MOST = 6
"""Decimals at which a figure is taken to be its limit."""


def beside(value: float, limit: float, form: str) -> str:
    """Write a figure so that it does not read as its limit unless it is the limit.

    >>> beside(0.00998, 0.01, "{:+.2%}"), beside(0.004, 0.01, "{:+.2%}")
    ('+0.998%', '+0.40%')

    Args:
        value: The figure.
        limit: What it must lie above or below.
        form: Of both, with at least so many decimals, as for `str.format`.
    """
    least = int(re.findall(r"\.(\d+)", form)[0])
    forms = [re.sub(r"\.\d+", f".{decimals}", form) for decimals in range(least, max(least, MOST) + 1)]
    return next((each.format(value) for each in forms if _apart(each, value, limit)), form.format(value))


def _apart(form: str, value: float, limit: float) -> bool:
    return value == limit or float(form.format(value).rstrip("%")) != float(form.format(limit).rstrip("%"))
