"""Labels that a user brings: a Parquet, CSV or NDJSON file, read row by row; what is wrong is named with its row."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from training.labels.labelled import Labelled
from training.labels.rows import SUFFIXES, open_rows

_RULE = "must be true or false, 1 or 0, good or bad"
_LABELS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "good": True, "bad": False}
_ROLES = ("system", "user", "assistant")
_NEEDED = "conversation (or prompt), response, label"
_UNLABELLED, _EMPTY = "without a label", "without a response"
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)


class _Example(NamedTuple):
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
    if _is_empty(row.get("label")):
        return _UNLABELLED
    label = _label(row["label"], place)
    response = row.get("response")
    if _is_empty(response):
        return _EMPTY
    if not isinstance(response, str):
        raise ValueError(f"{place}: response is {_short(response)}, must be a text")
    conversation = _conversation(row, columns, place)
    mark = hashlib.sha256(_whole(conversation + response, conversation, place)).hexdigest()
    return _Example(
        conversation,
        response,
        label,
        _weight(row, place) if "weight" in columns else 1.0,
        _user(row, place) if "user_id" in columns else f"conversation-{mark[:16]}",
        _moment(row, place) if "served_at" in columns else _FIRST + timedelta(seconds=int(mark[16:23], 16)),
    )


def _whole(texts: str, conversation: str, place: str) -> bytes:
    try:
        texts.encode()
        return conversation.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{place}: a text holds half a character (a lone surrogate), must be valid Unicode") from None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip()) or value != value  # noqa: PLR0124 (NaN)


def _label(value: Any, place: str) -> bool:
    found = _LABELS.get(str(value).strip().lower())
    if found is None:
        raise ValueError(f"{place}: label is {_short(value)}, {_RULE}")
    return found


def _conversation(row: Mapping[str, Any], columns: list[str], place: str) -> str:
    if "conversation" not in columns:
        if not isinstance(row.get("prompt"), str) or _is_empty(row["prompt"]):
            raise ValueError(f"{place}: prompt is {_short(row.get('prompt'))}, must be the user's text")
        return json.dumps([{"role": "user", "content": row["prompt"]}], ensure_ascii=False)
    turns = row.get("conversation")
    try:
        turns = json.loads(turns) if isinstance(turns, str) else turns
    except json.JSONDecodeError:
        raise ValueError(
            f"{place}: conversation is {_short(turns)}, must be a JSON list of messages; a bare text belongs in a "
            "column prompt"
        ) from None
    if not isinstance(turns, list) or not turns or not all(_is_turn(each) for each in turns):
        raise ValueError(
            f"{place}: conversation is {_short(turns)}, must be a list of messages, each with role "
            f"({', '.join(_ROLES)}) and content (a text)"
        )
    if turns[-1]["role"] != "user":
        raise ValueError(
            f"{place}: conversation ends with a message of the {turns[-1]['role']}, must end with the user's; the "
            "answer to it belongs in the column response"
        )
    return json.dumps([{"role": each["role"], "content": each["content"]} for each in turns], ensure_ascii=False)


def _is_turn(each: Any) -> bool:
    return isinstance(each, dict) and each.get("role") in _ROLES and isinstance(each.get("content"), str)


def _weight(row: Mapping[str, Any], place: str) -> float:
    try:
        weight = float(row["weight"])
    except (KeyError, TypeError, ValueError):
        weight = -1.0
    if not 0 <= weight <= 1:
        raise ValueError(f"{place}: weight is {_short(row.get('weight'))}, must be from 0 to 1 in every row")
    return weight


def _user(row: Mapping[str, Any], place: str) -> str:
    if _is_empty(row.get("user_id")):
        raise ValueError(f"{place}: user_id is empty, must be filled in every row, or the column left out")
    return str(row["user_id"])


def _moment(row: Mapping[str, Any], place: str) -> datetime:
    value = row.get("served_at")
    try:
        moment = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(
            f"{place}: served_at is {_short(value)}, must be a moment with its time zone in every row, such as "
            "2026-03-01T09:30:00Z, or the column left out"
        )
    return moment.astimezone(UTC)


def _short(value: Any) -> str:
    said = str(value) if isinstance(value, datetime) else repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."


def _table(examples: list[_Example]) -> Any:
    import pyarrow as pa

    columns = dict(zip(_Example._fields, map(list, zip(*examples, strict=True)), strict=True))
    types = {"label": pa.bool_(), "weight": pa.float64(), "served_at": pa.timestamp("us", tz="UTC")}
    return pa.table({name: pa.array(values, types.get(name, pa.string())) for name, values in columns.items()})


def _origin(path: Path, columns: list[str], examples: list[_Example], skipped: dict[str, int]) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
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
