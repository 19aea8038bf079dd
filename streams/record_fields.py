"""The fields of a record by name."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def fields_of(record: "DataclassInstance") -> dict[str, Any]:
    """A dataclass's fields by name, their values as they are: `dataclasses.asdict` would copy arrays and tables.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, slots=True)
    ... class Point:
    ...     x: float
    ...     marks: list[str]
    >>> fields_of(Point(1.0, ["a"]))
    {'x': 1.0, 'marks': ['a']}
    """
    return {field.name: getattr(record, field.name) for field in fields(record)}
