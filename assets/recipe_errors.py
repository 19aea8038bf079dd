"""What is wrong with a recipe, in the recipe's own words: which setting, what it says, what it must be."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

_RULES = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "too_short": "needs at least {min_length} of them",
    "literal_error": "must be {expected}",
    "string_too_short": "must not be empty",
    "multiple_of": "must be a multiple of {multiple_of:g}",
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text in quotes",
    "tuple": "a list in square brackets",
    "list": "a list in square brackets",
    "dict": "a table of settings",
    "model": "a table of settings",
}
_SHOWN = 60
"""Characters of a wrong value; what is longer is cut."""


class _Fault(NamedTuple):
    """One error: where it is, the settings that there are beside it, and what pydantic says."""

    path: tuple[str, ...]
    section: type[BaseModel] | None
    detail: dict[str, Any]


def words(error: ValidationError, model: type[BaseModel] | None) -> str:
    """Every fault of an input, separated by semicolons.

    >>> from assets.recipe import Recipe
    >>> try:
    ...     Recipe.model_validate({"source": "world", "world": {"respnses": 5}})
    ... except ValidationError as wrong:
    ...     words(wrong, Recipe)
    'world.respnses is no setting: did you mean world.responses?'

    Args:
        error: What pydantic found.
        model: What was read; None where that is not known: then nothing is suggested.
    """
    faults = [_fault(dict(each), model) for each in error.errors()]
    paths = {fault.path for fault in faults}
    told = [
        fault
        for fault in faults
        # an entry that was refused is missing afterwards: not a second fault
        if not (fault.detail["type"] == "too_short" and any(_below(path, fault.path) for path in paths))
        # a table that has a fault of its own is not also no `false`
        and not (_is_alternative(fault) and isinstance(fault.detail["input"], dict))
    ]
    return "; ".join(_sentence(list(group), model) for _, group in groupby(told, key=lambda fault: fault.path))


def _fault(detail: dict[str, Any], model: type[BaseModel] | None) -> _Fault:
    """Walk to the fault; names of alternatives (pydantic's tags of a union) are no part of the path."""
    path: list[str] = []
    sections: list[type[BaseModel]] = [model] if model else []
    tags: set[str] = set()
    for part in detail["loc"]:
        if isinstance(part, int):
            path[-1:] = [f"{path[-1] if path else ''}[{part}]"]
        elif any(part in each.model_fields for each in sections):
            field = next(each.model_fields[part] for each in sections if part in each.model_fields)
            path.append(part)
            sections, tags = list(_models(field.annotation)), _tags(field.annotation)
        elif part in {each.__name__ for each in sections}:
            sections = [each for each in sections if each.__name__ == part]
        elif not part.startswith("literal[") and part not in tags:
            path.append(part)
    return _Fault(tuple(path), sections[0] if sections else None, detail)


def _tags(annotation: Any) -> set[str]:
    """What pydantic calls the alternatives of a union that are no tables: `bool`, `tuple[str, ...]`."""
    if get_origin(annotation) not in (Union, UnionType):
        return set()
    return {
        each.__name__ if isinstance(each, type) and not get_args(each) else str(each) for each in get_args(annotation)
    }


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)


def _below(path: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return path != other and ".".join(path).startswith((".".join(other) + "[", ".".join(other) + "."))


def _is_alternative(fault: _Fault) -> bool:
    return any(str(part).startswith("literal[") for part in fault.detail["loc"])


def _sentence(faults: Sequence[_Fault], model: type[BaseModel] | None) -> str:
    """One place's fault; where every alternative was refused, all of them are named."""
    first = faults[0]
    name = ".".join(first.path)
    if first.detail["type"] == "extra_forbidden":
        return f"{name} is no setting: {_known(first, model)}"
    if first.detail["type"] == "missing":
        choices = _choices(first, model)
        return f"{name} is not set" + (f": it must be {choices}" if choices else "")
    if first.detail["type"] == "value_error":
        said = str(first.detail["msg"]).removeprefix("Value error, ")
        return f"{name}: {said}" if name else said
    rules = [_rule(fault.detail) for fault in faults]
    together = rules[0] + "".join(f", or {rule.removeprefix('must be ')}" for rule in rules[1:])
    return f"{name} == {_shown(first.detail['input'])}: {together}{_meant(first)}"


def _rule(detail: dict[str, Any]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _RULES:
        expected = str(context.get("expected", "")).replace("False", "false").replace("True", "true")
        return _RULES[kind].format(**context | {"expected": expected})
    known = _KINDS.get(kind.partition("_")[0])
    return f"must be {known}" if known else str(detail["msg"])


def _meant(fault: _Fault) -> str:
    """For a misspelt choice the one that was meant."""
    expected = str(fault.detail.get("ctx", {}).get("expected", ""))
    choices = re.findall(r"'([^']*)'", expected)
    close = difflib.get_close_matches(str(fault.detail["input"]), choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _known(fault: _Fault, model: type[BaseModel] | None) -> str:
    """The setting that was meant: a like name beside it, else the same name elsewhere; failing both, what there is."""
    *above, name = fault.path
    here = list(fault.section.model_fields) if fault.section else []
    close = difflib.get_close_matches(name, here, n=1)
    if close:
        return f"did you mean {'.'.join([*above, close[0]])}?"
    elsewhere = [path for path in _paths(model) if path[-1] == name] if model else []
    elsewhere.sort(key=lambda path: path[: len(above)] != tuple(above))
    if elsewhere:
        return f"did you mean {'.'.join(elsewhere[0])}?"
    return f"known here: {', '.join(here)}" if here else "nothing is known here"


def _paths(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*above, name)
        for each in _models(field.annotation):
            yield from _paths(each, (*above, name))


def _choices(fault: _Fault, model: type[BaseModel] | None) -> str:
    """What a missing setting may be, where it is one of a few words."""
    section = model
    for part in fault.path[:-1]:
        section = next(_models(section.model_fields[part].annotation), None) if section else None
    annotation = section.model_fields[fault.path[-1]].annotation if section else None
    if get_origin(annotation) is not Literal:
        return ""
    *others, last = map(repr, get_args(annotation))
    return f"{', '.join(others)} or {last}" if others else last


def _shown(value: Any) -> str:
    """As TOML writes it, as far as a line has room."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
