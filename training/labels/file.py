"""Labels that a user brings: a Parquet, CSV or NDJSON file, read row by row; what is wrong is named with its row."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from training.disk import sha256
from training.labels import cells
from training.labels.labelled_answers import Labelled
from training.labels.rows import SUFFIXES, open_rows

_RULE = "must be true or false, 1 or 0, good or bad"
_LABELS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "good": True, "bad": False}
_NEEDED = "conversation (or prompt), response, label"
_UNLABELLED, _EMPTY = "without a label", "without a response"
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Example:
    """A row of the table that is made."""

    conversation: str
    response: str
    label: bool
    weight: float
    user_id: str
    served_at: datetime


def read(path: str | Path) -> Labelled:
    """Read labelled answers.

    Columns: `conversation` (JSON list of role and content, the last one by the user) or `prompt` (the user's text);
    `response`; `label` (true or false, 1 or 0, good or bad, in any case); optionally `user_id`, `served_at` (with its
    time zone) and `weight` (0 to 1). Other columns are left aside.

    A row without a label or without a response is skipped, and counted in `origin`. Without `user_id`, all rows of one
    conversation count as one user, so that no test shares a conversation with the training; without `served_at`,
    moments are drawn from the conversation's hash.

    Args:
        path: Ends in .parquet, .csv, .ndjson or .jsonl.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is missing, or a value is not as described; names row (from 1, without a header), value and
            rule.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no labels file at {path}; give one that ends in {', '.join(SUFFIXES)}")
    columns, rows = open_rows(path)
    _check_columns(path, columns)
    found = [_example(row, columns, f"{path}, row {number:,}") for number, row in enumerate(rows, 1)]
    examples = [each for each in found if isinstance(each, _Example)]
    if not examples:
        raise ValueError(f"{path} holds {len(found):,} rows and no labelled answer; fill {_NEEDED}")
    skipped = {reason: found.count(reason) for reason in (_UNLABELLED, _EMPTY)}
    return Labelled(_table(examples), _origin(path, columns, examples, skipped))


def _check_columns(path: Path, columns: list[str]) -> None:
    lacking = [name for name in ("response", "label") if name not in columns]
    if "conversation" not in columns and "prompt" not in columns:
        lacking.insert(0, "conversation (or prompt)")
    if lacking:
        seen = ", ".join(columns) or "none"
        raise ValueError(f"{path} lacks {', '.join(lacking)}; its columns are {seen}, it needs {_NEEDED}")


def _example(row: Mapping[str, Any], columns: list[str], place: str) -> _Example | str:
    """The row, or why it is skipped."""
    if cells.is_empty(row.get("label")):
        return _UNLABELLED
    label = _label(row["label"], place)
    response = cells.response(row, place)
    if response is None:
        return _EMPTY
    conversation = cells.conversation(row, columns, place)
    mark = hashlib.sha256(conversation.encode()).hexdigest()
    return _Example(
        conversation,
        response,
        label,
        cells.weight(row, place) if "weight" in columns else 1.0,
        cells.user(row, place) if "user_id" in columns else f"conversation-{mark[:16]}",
        cells.moment(row, place) if "served_at" in columns else _FIRST + timedelta(seconds=int(mark[16:23], 16)),
    )


def _label(value: Any, place: str) -> bool:
    found = _LABELS.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"{place}: label is {cells.short(value)}, {_RULE}")
    return found


def _table(examples: list[_Example]) -> Any:
    import pyarrow as pa

    types = {"label": pa.bool_(), "weight": pa.float64(), "served_at": pa.timestamp("us", tz="UTC")}
    columns = {each.name: [getattr(example, each.name) for example in examples] for each in fields(_Example)}
    return pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})


def _origin(path: Path, columns: list[str], examples: list[_Example], skipped: dict[str, int]) -> dict[str, Any]:
    digest = sha256(path)
    share = sum(each.label for each in examples) / len(examples)
    left = [f"left out, {reason}: {count:,}" for reason, count in skipped.items() if count]
    assumed = [f"without {name}" for name in ("user_id", "served_at") if name not in columns]
    said = [f"{len(examples):,} labelled answers of {path.name}", *assumed, f"{share:.1%} good"]
    return {
        "source": "file",
        "words": "; ".join([", ".join(said), *left]),
        "file": path.name,
        "sha256": digest,
        "rows": len(examples),
        "skipped": skipped,
        "positive_share": share,
    }
