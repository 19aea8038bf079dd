"""Ready mappings: how the exports of known products become events, declared in one small file each."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from streams.events import KINDS
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer.foreign import FIELDS, Columns, Export

FOLDER = Path(__file__).parent


@cache
def names() -> tuple[str, ...]:
    """The products, by name."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def mapping(name: str, more: Columns | None = None) -> Export:
    """The mapping of a product's export.

    Args:
        name: One of `names`.
        more: What the caller adds: its fields, constants, values and zone go before the declared ones, its rows are
            to keep its `only` too, and of the declared events those of its kind alone are made.

    Raises:
        WarehouseError: There is none of that name, or it makes no event of that kind.
    """
    if name not in names():
        raise WarehouseError(f"--from {name}: no such mapping; there are {', '.join(names())}")
    declared = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    parts = [_part(declared, event) for event in declared["event"]]
    if more is not None:
        parts = [_with(part, more) for part in parts if more.kind in (None, part.kind)]
    if not parts:
        raise WarehouseError(f"--from {name} --kind {more.kind if more else None}: that export holds no such event")
    return Export(name, tuple(parts))


def _part(declared: dict[str, Any], event: dict[str, Any]) -> Columns:
    return Columns(
        fields=event["fields"],
        constants=event.get("constants", {}),
        kind=event["kind"],
        zone=declared.get("zone"),
        values=event.get("values", {}),
        only=event.get("only", {}),
        count_turns=event.get("count_turns", False),
        own=False,
    )


def _with(part: Columns, more: Columns) -> Columns:
    """A declared event with what a caller adds; fields that its kind does not have are left alone."""
    mine = {*KINDS[str(part.kind)].__struct_fields__, "type"}
    fields = {name: path for name, path in more.fields.items() if name in mine or name not in FIELDS}
    constants = {name: value for name, value in more.constants.items() if name in mine}
    # where the caller says where a field stands, a condition on its usual place is one on that place
    moved = {path: fields.get(name) for name, path in part.fields.items() if name in fields or name in constants}
    only = {moved.get(path, path): seen for path, seen in part.only.items()}
    return replace(
        part,
        fields={name: path for name, path in part.fields.items() if name not in constants} | fields,
        constants={name: value for name, value in part.constants.items() if name not in fields} | constants,
        zone=more.zone or part.zone,
        values={**part.values, **{name: {**part.values.get(name, {}), **each} for name, each in more.values.items()}},
        only={**{path: seen for path, seen in only.items() if path is not None}, **more.only},
    )
