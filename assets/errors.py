"""Errors that a user can fix: the command line shows their message alone, without a traceback."""

import traceback

from pydantic import ValidationError

from assets.recipe_errors import words

_PACKAGES = ("assets", "experiments", "stats", "streams", "training", "warehouse")


def expected() -> tuple[type[Exception], ...]:
    """The project's own errors; each says what was seen, the rule, and the next step."""
    from warehouse.storage.transaction import WarehouseError

    return (
        WarehouseError,
        ValueError,
        ModuleNotFoundError,
        OSError,  # files and folders that cannot be used, brokers and servers that do not answer
    )


def told(error: Exception) -> str:
    """What the command line says of an expected failure, with a next step where the error itself names none.

    Our own errors name theirs. One that another library raised may be no fault of the user's: then it matters where.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error}: it comes with an extra, pip install 'loveloop[stream,lake,dagster,train,encoder]' brings all"
    if isinstance(error, ValidationError):
        return words(error, None)
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) if _is_ours(error) else f"{error}\n(LOVELOOP_TRACEBACK=1 shows where)"


def _is_ours(error: Exception) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and frames[-1].f_globals.get("__name__", "").partition(".")[0] in _PACKAGES
