"""What is refused before anything of a file is stored: a mapping that cannot work, or that does not fit its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from streams import events
from streams.events import KINDS, ContractError
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import files
from warehouse.transfer.foreign import FIELDS, Columns, Mapped

LOOKED_AT: Final = 10_000
"""Rows of a file that are looked at for reactions that are numbers."""


def check(columns: Mapped) -> None:
    """Raise WarehouseError for a mapping that cannot work with any table."""
    for part in columns.parts:
        _check(part)


def _check(columns: Columns) -> None:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if columns.kind and columns.kind not in KINDS:
        raise WarehouseError(f"kind == {columns.kind!r}, must be one of {', '.join(KINDS)}")
    both = columns.fields.keys() & columns.constants.keys()
    if both:
        raise WarehouseError(f"{', '.join(sorted(both))} cannot be both a column and a constant: leave one out")
    if unknown := ", ".join(sorted(columns.constants.keys() - FIELDS)):
        raise WarehouseError(f"{unknown}: no such field to set; the contract has {', '.join(sorted(FIELDS))}")
    try:
        ZoneInfo(columns.zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones, such as Europe
        raise WarehouseError(f"zone == {columns.zone!r}: write one like UTC or Europe/Berlin") from None


def refuse_broken(path: Path, columns: Mapped, lines: Sequence[bytes], now: int, told: Mapping[str, int]) -> None:
    """Raise WarehouseError when none of the first lines keeps the contract.

    Args:
        path: The file.
        columns: Its mapping.
        lines: What it makes of the first rows.
        now: Milliseconds since 1970.
        told: What was noticed while they were read, and how often.
    """
    first: ContractError | None = None
    for line in lines:
        try:
            events.decode(line, received_at=datetime.fromtimestamp(now / 1000, UTC))
            return
        except ContractError as error:
            first = first or error
    seen = files.columns_of(path, columns)
    noticed = "".join(f"Noticed: {times:,} x {what}. " for what, times in told.items())
    raise WarehouseError(
        f"{path}: all of the first {len(lines):,} rows break the contract, so nothing was stored. "
        f"The first one: {first}. {noticed}Its columns: {', '.join(seen) or 'none'}. "
        "Say with --map, --set and --kind which column is which field, and look at --check"
    )


class _Reacted(msgspec.Struct):
    reaction: Any = None


def refuse_numbers(path: Path, columns: Mapped) -> None:
    """Raise WarehouseError when reactions of a mapped file are numbers other than 1 and -1.

    Nobody knows what they mean: of five stars, 1 is the worst, and would count as a like.
    """
    if not columns.foreign:
        return
    seen: Counter[float] = Counter()
    for line in islice(files.lines(path, columns), LOOKED_AT):
        try:
            name = msgspec.json.decode(line, type=_Reacted).reaction
        except (msgspec.MsgspecError, UnicodeError, RecursionError):  # the judge will say what is wrong
            continue
        if isinstance(name, int | float) and not isinstance(name, bool):
            seen[name] += 1
    if seen:
        shown = ", ".join(f"{number:g} ({times:,} x)" for number, times in sorted(seen.items())[:8])
        raise WarehouseError(
            f"{path}: reactions are numbers, {shown}, and only 1 and -1 mean something by themselves; nothing was "
            "stored. Say what each one is, 1 and -1 among them: --map-reaction 5=love --map-reaction 1=dislike"
        )
