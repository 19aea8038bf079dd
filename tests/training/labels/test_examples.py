"""Files of conversations and of labelled answers, from which one model is trained."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.labels.examples import read_feedback, read_talks

ASKED = [{"role": "user", "content": "What is tea?"}]
TALK = {"conversation": ASKED, "response": "A hot drink."}
LOVED = TALK | {"label": True, "user_id": "u1", "served_at": "2026-03-01T09:30:00Z"}


def written(place: Path, *rows: Any) -> Path:
    """Rows as NDJSON; a text is a line as it is."""
    file = place / "rows.ndjson"
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return file


def test_rows_without_a_response_are_skipped_and_counted(tmp_path: Path) -> None:
    table, skipped = read_talks(written(tmp_path, TALK, TALK | {"response": None}, TALK | {"response": " "}))
    assert (table.num_rows, skipped) == (1, 2)
    assert json.loads(table["conversation"][0].as_py()) == ASKED


def test_a_bare_prompt_is_a_conversation_of_one_message(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('prompt,response\nWhat is tea?,"A drink, hot."\n')
    table, _ = read_talks(tmp_path / "rows.csv")
    assert json.loads(table["conversation"][0].as_py()) == ASKED


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "line 2 is not JSON"),
        ("[1, 2]", "line 2 is not a JSON object"),
        (TALK | {"response": 5}, "row 2: response is 5, must be a text"),
        (TALK | {"response": "\ud800"}, "row 2: a text holds half a character"),
        (TALK | {"conversation": None}, "row 2: conversation is None, must be a list of messages"),
        (TALK | {"conversation": []}, r"row 2: conversation is \[\], must be a list of messages"),
        (TALK | {"conversation": "hello"}, "row 2: conversation is 'hello', must be a JSON list of messages"),
        (
            TALK | {"conversation": [{"role": "robot", "content": "x"}]},
            "row 2: message 1 .* is of role 'robot'; .* each with role",
        ),
        (
            TALK | {"conversation": [{"role": "user", "content": "long " * 50}, {"role": "ai", "content": "x"}]},
            "row 2: message 2 of the conversation is of role 'ai'",
        ),
        (TALK | {"conversation": [{"role": "user"}]}, "row 2: .* and content"),
        (TALK | {"conversation": [*ASKED, {"role": "assistant", "content": "x"}]}, "row 2: .* must end with the user"),
    ],
)
def test_a_row_that_cannot_be_learnt_from_is_named_with_the_rule(row: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        read_talks(written(tmp_path, TALK, row))


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ({"label": None}, "row 2: label is None, must be true or false, or a share from 0 to 1"),
        ({"label": float("nan")}, "row 2: label is nan"),
        ({"label": 2}, "row 2: label is 2"),
        ({"label": "love"}, "row 2: label is 'love'"),
        ({"weight": -1}, "row 2: weight is -1, must be from 0 to 1"),
        ({"user_id": ""}, "row 2: user_id is empty, must be filled in every row$"),
        ({"served_at": "yesterday"}, "row 2: served_at is 'yesterday', must be a moment with its time zone"),
        ({"served_at": "2026-03-01T09:30:00"}, "row 2: served_at .* must be a moment with its time zone"),
    ],
)
def test_a_label_that_cannot_be_one_is_named_with_the_rule(cell: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        read_feedback(written(tmp_path, LOVED | {"weight": 1}, LOVED | {"weight": 1} | cell))


def test_labels_are_shares_whatever_stands_for_them(tmp_path: Path) -> None:
    rows = [LOVED | {"label": each} for each in (True, False, 1, 0.25, "true")]
    table, _ = read_feedback(written(tmp_path, *rows))
    assert table["label"].to_pylist() == [1.0, 0.0, 1.0, 0.25, 1.0]
    assert table["weight"].to_pylist() == [1.0] * 5
    assert table["served_at"][0].as_py() == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def test_a_file_without_rows_columns_or_sense_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks conversation, response; its columns are none: the file is empty"):
        read_talks(written(tmp_path))
    with pytest.raises(ValueError, match="lacks label, user_id, served_at; its columns are conversation, response"):
        read_feedback(written(tmp_path, TALK))
    with pytest.raises(ValueError, match="holds 1 rows and no response"):
        read_talks(written(tmp_path, TALK | {"response": ""}))
    (tmp_path / "rows.parquet").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=r"rows\.parquet is not a Parquet file"):
        read_talks(tmp_path / "rows.parquet")


def test_parquet_keeps_lists_and_time_stamps(tmp_path: Path) -> None:
    row = LOVED | {"served_at": datetime(2026, 3, 1, tzinfo=UTC)}
    pq.write_table(pa.Table.from_pylist([row, row]), tmp_path / "rows.parquet")
    table, _ = read_feedback(tmp_path / "rows.parquet")
    assert table["label"].to_pylist() == [1.0, 1.0]
    assert json.loads(table["conversation"][1].as_py()) == ASKED
