"""The judges by name, and what decides about each: adding one file is enough to add one.

A judge called NAME is the function NAME of the module `training/judges/NAME.py`; `module:function` names one of any
other package. Its two positional parameters are the conversation and the response; keyword-only parameters are its
settings. A function without positional parameters makes the judge from the settings once, for judges that hold a model
or a server.
"""

import difflib
import functools
import hashlib
import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from training.judges.sources import digest_of
from training.judges.verdict import Judge

_HERE = Path(__file__).parent
_PAIR = 2
"""Positional parameters of a judge: conversation and response."""


@functools.cache
def names() -> tuple[str, ...]:
    """Every judge of this package.

    >>> {"closing", "unsafe", "llm"} <= set(names()), "verdict" in names()
    (True, False)
    """
    files = sorted(_HERE.glob("*.py"))
    return tuple(file.stem for file in files if re.search(rf"^def {file.stem}\(", file.read_text(), flags=re.MULTILINE))


def find(name: str) -> Callable[..., Any]:
    """The function of a judge.

    Raises:
        ValueError: There is none of that name, or it takes what no judge takes.
    """
    module, _, function = name.partition(":")
    if not function:
        if name not in names():
            close = difflib.get_close_matches(name, names(), n=1)
            meant = f"did you mean {close[0]!r}? There are" if close else "there are"
            raise ValueError(
                f"{name!r} is no judge: {meant} {', '.join(names())}; one of your own is named "
                "'package.module:function' or is a file of that name in training/judges"
            )
        module, function = f"training.judges.{name}", name
    try:
        found = getattr(importlib.import_module(module), function)
    except (Exception, SystemExit) as error:  # somebody's module runs when it is imported
        own = "" if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: "
        raise ValueError(
            f"judge {name!r} cannot be imported ({own}{error}): the module must be installed beside loveloop or lie on "
            "PYTHONPATH, and hold that function"
        ) from error
    count = len(_positional(found)) if inspect.isfunction(found) else -1
    if count not in (0, _PAIR):
        raise ValueError(
            f"judge {name!r} must be a function of (conversation, response), with keyword-only parameters as its "
            f"settings, or a function of such settings alone that returns a judge; it "
            f"{'is no function' if count < 0 else f'takes {count} positional parameters'}"
        )
    return found  # type: ignore[no-any-return]


def settings_of(function: Callable[..., Any]) -> type[BaseModel]:
    """The settings of a judge as a model that refuses misspelt keys and wrong values.

    Raises:
        ValueError: An annotation names what is not there.
    """
    try:
        parameters = inspect.signature(function, eval_str=True).parameters
    except Exception as error:
        raise ValueError(
            f"the settings of judge {function.__name__} cannot be read ({type(error).__name__}: {error}): mend the "
            "annotations of its keyword-only parameters"
        ) from error
    fields: dict[str, Any] = {
        each.name: (
            Any if each.annotation is each.empty else each.annotation,
            ... if each.default is each.empty else each.default,
        )
        for each in parameters.values()
        if each.kind is each.KEYWORD_ONLY
    }
    config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True)
    return create_model(function.__name__, __config__=config, **fields)


def build(name: str, settings: Mapping[str, Any] | None = None) -> Judge:
    """A judge with its settings.

    Args:
        name: Of a judge of this package, or `module:function`.
        settings: Its keyword-only parameters.

    Raises:
        ValueError: As `find` does; as pydantic's ValidationError where a setting is wrong; what a function that makes
            the judge raises, or that it makes none.
        OSError: A model or server that it needs is away.

    >>> build("length", {"most": 3})([], "It is a hot drink.").reason
    'has 5 words, may have 3'
    """
    function = find(name)
    checked = settings_of(function).model_validate(dict(settings or {}))
    given = {key: getattr(checked, key) for key in checked.model_fields_set}
    if not _positional(function):
        return _made(name, function, given)
    return functools.partial(function, **given) if given else function


def _made(name: str, function: Callable[..., Judge], settings: Mapping[str, Any]) -> Judge:
    """What a function that makes a judge makes, if it is one."""
    try:
        judge = function(**settings)
    except (OSError, ValueError, MemoryError):
        raise  # those speak for themselves
    except (Exception, SystemExit) as error:
        raise ValueError(f"judge {name!r} could not be made ({type(error).__name__}: {error}): mend it") from error
    if not callable(judge):
        raise ValueError(
            f"judge {name!r} takes no conversation and response, so it must return a judge that does; it returned "
            f"{judge!r:.60}"
        )
    version_of(judge)
    return judge


def version(name: str, settings: Mapping[str, Any] | None = None) -> str:
    """What names a judge before it is built: a digest of its source and settings, 16 hexadecimal digits."""
    return _digest([_source(find(name)), settings or {}])


def version_of(judge: Judge) -> str:
    """What names a judge: a digest of its source and settings, 16 hexadecimal digits. Another one judges otherwise.

    The source is its module and what that imports of its own package and ours. A judge that is no function says what
    else decides about it (weights, a question) as its attribute `version`.

    Raises:
        ValueError: It is no function and has no `version`.

    >>> version_of(build("length", {"most": 3})) == version_of(build("length", {"most": 4}))
    False
    """
    if isinstance(judge, functools.partial):
        return _digest([_source(judge.func), judge.args, judge.keywords])
    if inspect.isfunction(judge):
        return _digest([_source(judge), {}])
    said = getattr(judge, "version", None)
    if not isinstance(said, str):
        raise ValueError(
            f"judge {type(judge).__name__} has no version: give it an attribute `version`, a text that changes when "
            "its verdicts may"
        )
    return _digest([_source(type(judge)), said])


def _source(of: Any) -> list[str]:
    return [f"{of.__module__}:{of.__qualname__}", digest_of(of)]


def _positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each for each in inspect.signature(function).parameters.values() if each.kind in kinds]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
