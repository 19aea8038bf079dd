"""Examples that a user brings to train one model from: a file of conversations, or of labelled answers, row by row.

What no model can learn from is told with its row. Rows without a response are skipped, and counted.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from training.labels import cells
from training.labels.rows import open_rows

TALKS = ("conversation", "response")
FEEDBACK = (*TALKS, "label", "user_id", "served_at")
_TYPES = {"label": pa.float64(), "weight": pa.float64(), "served_at": pa.timestamp("us", tz="UTC")}


class ReadExamples(NamedTuple):
    """The examples of a file.

    Attributes:
        table: Columns conversation (JSON) and response; of feedback also label, weight, user_id, served_at, and pair
            where the file has it.
        skipped: Rows that were left out since they have no response.
    """

    table: pa.Table
    skipped: int


def read_talks(path: Path) -> ReadExamples:
    """Read conversations and the answers to learn.

    Args:
        path: Parquet, CSV or NDJSON with the columns `TALKS` (or `prompt`, one message of the user's).

    Raises:
        ValueError: A column is missing, no row is left, or a value is not as it must be; names row and rule.
    """
    return _read(path, TALKS)


def read_feedback(path: Path) -> ReadExamples:
    """Read labelled answers: who loved which response, and when.

    Args:
        path: As for `read_talks`, with the columns `FEEDBACK` and, if you like, `weight` and `pair`.

    Raises:
        ValueError: As `read_talks`.
    """
    return _read(path, FEEDBACK)


def _read(path: Path, wanted: Sequence[str]) -> ReadExamples:
    columns, rows = open_rows(path)
    there = {*columns, "conversation"} if "prompt" in columns else {*columns}
    lacking = [name for name in wanted if name not in there]
    if lacking:
        seen = ", ".join(columns) or "none: the file is empty"
        raise ValueError(f"{path} lacks {', '.join(lacking)}; its columns are {seen}")
    found = [_example(row, columns, wanted, f"{path}, row {number:,}") for number, row in enumerate(rows, 1)]
    examples = [each for each in found if each is not None]
    if not examples:
        raise ValueError(f"{path} holds {len(found):,} rows and no response; fill {', '.join(wanted)}")
    table = {name: pa.array([each[name] for each in examples], _TYPES.get(name, pa.string())) for name in examples[0]}
    return ReadExamples(pa.table(table), len(found) - len(examples))


def _example(
    row: Mapping[str, Any], columns: Sequence[str], wanted: Sequence[str], place: str
) -> dict[str, Any] | None:
    response = cells.response(row, place)
    if response is None:
        return None
    found: dict[str, Any] = {"conversation": cells.conversation(row, columns, place), "response": response}
    if "label" in wanted:
        found |= {
            "label": _label(row, place),
            "weight": cells.weight(row, place) if "weight" in columns else 1.0,
            "user_id": cells.user(row, place, otherwise=""),
            "served_at": cells.moment(row, place, otherwise=""),
        }
        if "pair" in columns:
            found["pair"] = None if row.get("pair") in (None, "") else str(row["pair"])
    return found


def _label(row: Mapping[str, Any], place: str) -> float:
    value = row.get("label")
    text = str(value).strip().lower()
    try:
        found = {"true": 1.0, "false": 0.0}.get(text)
        found = float(text) if found is None else found
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError(f"{place}: label is {cells.short(value)}, must be true or false, or a share from 0 to 1")
    return found
