"""How every plot looks: one quiet style, one colour per meaning."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

INK = "#2b2a33"
QUIET = "#8a8894"
GRID = "#e7e4ea"
LOVE = "#b8325e"
CONTROL = "#5c6b8a"
GOOD = "#2f7d6b"
BAND = "#f3d9e2"

DENSITY = 180
"""Pixels an inch; the page shows an inch as 100 CSS pixels."""

PHONE = 3.6
"""Inches of a phone's page."""

_widest: ContextVar[float] = ContextVar("widest", default=float("inf"))

_SETTINGS = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "savefig.dpi": DENSITY,
    "text.color": INK,
    "xtick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.color": QUIET,
    "ytick.labelcolor": INK,
}


@contextmanager
def phone() -> Iterator[None]:
    """Within the block every canvas is at most as wide as a phone: the same plots, their letters as large as before."""
    before = _widest.set(PHONE)
    try:
        yield
    finally:
        _widest.reset(before)


def narrow() -> bool:
    """The canvas is a phone's."""
    return _widest.get() <= PHONE


def canvas(width: float = 6.4, height: float = 3.8) -> tuple[Any, Any]:
    """An empty figure and its axes in the house style; inches. Needs no display."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(min(width, _widest.get()), height), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.add_subplot()


def panels(
    count: int, width: float = 6.4, height: float = 3.8, *, rows: int = 1, alike: bool = True
) -> tuple[Any, list[Any]]:
    """An empty figure with plots side by side, alike in what is upward; on a phone one above the other."""
    import matplotlib as mpl

    if narrow():
        height *= count
    figure, only = canvas(width, height)
    only.remove()
    with mpl.rc_context(_SETTINGS):
        shape = (count, 1) if narrow() else (rows, -(-count // rows))
        found = [*figure.subplots(*shape, sharey=alike, squeeze=False).flat]
    for axes in found[count:]:
        axes.remove()
    return figure, found[:count]


def legend(axes: Any, place: str) -> None:
    """A legend without a box."""
    axes.legend(loc=place, frameon=False, fontsize=8.5, labelcolor=INK)


def png(figure: Any) -> bytes:
    """The figure as a PNG."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()


def dates(axes: Any, most: int) -> None:
    """Tick an axis of time at most so often; `most` is 5 or more.

    Fewer least ticks than matplotlib's five: between two of its steps, such as 12 hours and a day, no step may give
    five ticks and few enough, and it warns.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2 if most < 7 else 3, maxticks=most)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def percent(axis: Any, decimals: int | None = None) -> None:
    """Show an axis of shares in per cent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))


def few(axis: Any, most: int = 6) -> None:
    """So few ticks that wide labels stay apart."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(min(most, 4) if narrow() else most))


def reach(centre: float, interval: tuple[float | None, float | None] | None) -> list[list[float]] | None:
    """Error-bar lengths below and above; an open side is not drawn."""
    if interval is None:
        return None
    low, high = interval
    return [[0.0 if low is None else max(0.0, centre - low)], [0.0 if high is None else max(0.0, high - centre)]]
