"""JSON that holds rows in one field, as the answers of APIs do: `{"data": [...], "meta": {...}}`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from warehouse.storage.transaction import WarehouseError
from warehouse.transfer import paths
from warehouse.transfer.foreign import Columns, Mapped  # noqa: F401  (the example)

USUAL: Final = ("data", "items", "results", "events", "rows", "records")
PAGE: Final = "files that say that there are more pages than this one"
_MORE = ("has_more", "hasMore", "next", "next_page", "nextPage", "next_cursor", "nextCursor")


def rows_in(found: Mapping[str, Any], columns: Mapped, told: Counter[str] | None = None) -> list[Any] | None:
    """The rows that an object holds in a field; None where the object is a row itself.

    1. An object with a `type`, or with a column that the mapping takes something from, is a row.
    2. A list in a field of a usual name (`data`, `items`, `results`, `events`, `rows`, `records`) holds the rows;
       so does such a list within an object in such a field.
    3. So does the only list of objects, whatever its name.

    Raises:
        WarehouseError: Several fields could be meant.

    >>> rows_in({"data": [{"id": 1}], "meta": {"page": 1}}, Columns())
    [{'id': 1}]
    """
    mapped = {column for part in columns.parts for path in part.fields.values() for column in paths.columns(path)}
    if "type" in found or (mapped & found.keys()):
        return None
    lists: dict[str, list[Any]] = {name: each for name, each in found.items() if are_rows(each)}
    usual = {name: each for name, each in lists.items() if name in USUAL} or lists
    if len(usual) > 1:
        raise WarehouseError(f"rows stand under {', '.join(usual)}: save the one list that is meant as a file")
    for name, each in usual.items():
        _tell(name, found, told)
        return each
    for name in USUAL:
        inside = found.get(name)
        if isinstance(inside, Mapping) and (rows := rows_in(inside, columns, told)) is not None:
            return rows
    return [] if any(found.get(name) == [] for name in USUAL) else None


def are_rows(value: Any) -> bool:
    """Whether a value is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _tell(name: str, found: Mapping[str, Any], told: Counter[str] | None) -> None:
    if told is None:
        return
    told[f"rows found in the field {name!r}"] += 1
    meta = next((each for each in (found.get("meta"), found.get("pagination")) if isinstance(each, Mapping)), {})
    pages = meta.get("totalPages", meta.get("total_pages", 1))
    if any(found.get(sign) or meta.get(sign) for sign in _MORE) or (isinstance(pages, int) and pages > 1):
        told[PAGE] += 1
