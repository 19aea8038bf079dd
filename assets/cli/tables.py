"""Tables and small words for a terminal, shared by several commands."""

from collections.abc import Sequence
from datetime import UTC, datetime


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under their heads, figures to the right and words to the left.

    >>> print(table(["rule", "users"], [["evidence", 1200], ["lockstep", 3]]))
    rule      users
    evidence  1,200
    lockstep      3
    """
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [bool(rows) and all(_is_figure(row[place]) for row in rows) for place in range(len(heads))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )


def counted(amount: int, what: str, several: str | None = None) -> str:
    """An amount and its noun.

    >>> counted(1, "response"), counted(1200, "response"), counted(2, "retry", "retries")
    ('1 response', '1,200 responses', '2 retries')
    """
    return f"{amount:,} {what if amount == 1 else several or what + 's'}"


def moment(at: datetime | None, nothing: str = "-") -> str:
    """A moment in UTC, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at else nothing


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
