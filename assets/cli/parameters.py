"""Kinds of option values that are pairs or lengths of time."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST: Final = 365 * 86400


class Every(click.ParamType):
    """A length of time: 30s, 15m, 1h, 1d."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value))
        seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if not 0 < seconds <= _LONGEST:
            self.fail(f"{value!r} is no length of time: write 30s, 15m, 1h or 1d, at most 365d", param, ctx)
        return seconds


class Moment(click.ParamType):
    """A moment that has been: 2026-03-02T12:00 is UTC, 2026-03-02T12:00+01:00 is not."""

    name = "MOMENT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """With a time zone."""
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no moment: write 2026-03-02T12:00, which is UTC, or with a zone", param, ctx)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        if found > datetime.now(UTC):
            self.fail(f"{value!r} lies ahead: what is noted here has been done", param, ctx)
        return found


class _NamedNumber(click.ParamType):
    """NAME=NUMBER."""

    def __init__(self, name: str, rule: str, most: float) -> None:
        self.name, self._rule, self._most = name, rule, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Name and number."""
        if isinstance(value, tuple):
            return value
        name, _, text = str(value).rpartition("=")
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not name or not 0 < number < self._most:
            self.fail(f"{value!r} {self._rule}", param, ctx)
        return name, number


class _ArmPlace(click.ParamType):
    """ARM=FOLDER."""

    name = "ARM=FOLDER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Arm and place."""
        if isinstance(value, tuple):
            return value
        arm, _, place = str(value).partition("=")
        if not arm or not place:
            self.fail(f"{value!r} names no arm and what it serves: write ARM=FOLDER, or ARM=POLICY", param, ctx)
        return arm, place


class _MetricFile(click.ParamType):
    """METRIC=FILE."""

    name = "METRIC=FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        """Name and file."""
        if isinstance(value, tuple):
            return value
        name, _, file = str(value).partition("=")
        if not name.strip() or not file:
            self.fail(
                f"{value!r} names no metric and its file: write METRIC=FILE, as in revenue=revenue.csv", param, ctx
            )
        return name, Path(file)


ARM_SHARE: Final = _NamedNumber(
    "ARM=SHARE", "is no share of an arm: write ARM=SHARE, a share in (0, 1): control=0.9", 1.0
)
METRIC_MARGIN: Final = _NamedNumber(
    "METRIC=MARGIN", "is no margin of a metric: write METRIC=RATIO, as in closings_per_exposure=1.25", 1_000.0
)
ARM_PLACE: Final = _ArmPlace()
METRIC_FILE: Final = _MetricFile()
