"""Texts that somebody brings to the sentinel: a file of conversations and responses, one row a response."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stats.estimate import Floats
from training.behaviours.corpus import Corpus
from training.labels import cells
from training.labels.rows import open_rows
from training.text import Conversation

SCORES = ("proxy", "judge")


def read_texts(path: Path) -> Corpus:
    """Read one policy's responses.

    Args:
        path: Parquet, CSV or NDJSON with `conversation` (or `prompt`, one message of the user's) and `response`; where
            they are known `user_id`, `weight` (above 0), `segment` (the kind of prompt), `proxy` and `judge` (scores,
            empty where not scored).

    Raises:
        ValueError: A column is missing, there is no row, or a value is not as it must be; names row and rule.
    """
    columns, rows = open_rows(path)
    if "response" not in columns or not {"conversation", "prompt"} & {*columns}:
        seen = ", ".join(columns) or "none: the file is empty"
        raise ValueError(
            f"{path} must have conversation (or prompt, one message of the user's) and response; its columns are {seen}"
        )
    told: list[tuple[Conversation, str]] = []
    found: dict[str, list[Any]] = {name: [] for name in ("user_id", "weight", "segment", *SCORES) if name in columns}
    for number, row in enumerate(rows, 1):
        place = f"{path}, row {number:,}"
        said = cells.response(row, place)
        if said is None:
            raise ValueError(f"{place}: response is empty, must be a text: leave out rows without an answer")
        told.append((json.loads(cells.conversation(row, columns, place)), said))
        for name, column in found.items():
            column.append(_cell(name, row, place))
    if not told:
        raise ValueError(f"{path} holds no row: one row is one response")
    return Corpus(
        conversations=[each for each, _ in told],
        responses=[each for _, each in told],
        users=found.get("user_id"),
        weights=_numbers(found.get("weight")),
        segments=found.get("segment"),
        proxy=_numbers(found.get("proxy")),
        judge=_numbers(found.get("judge")),
    )


def _cell(name: str, row: Mapping[str, Any], place: str) -> Any:
    if name == "user_id":
        return cells.user(row, place)
    if name == "segment":
        return str(row.get(name) or "none")
    value = row.get(name)
    if name in SCORES and cells.is_empty(value):
        return float("nan")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number) or (name == "weight" and number <= 0):
        rule = "a number above 0" if name == "weight" else "a number, or empty where the response was not scored"
        raise ValueError(f"{place}: {name} is {cells.short(value)}, must be {rule}")
    return number


def _numbers(column: list[float] | None) -> Floats | None:
    return None if column is None else np.array(column, np.float64)
