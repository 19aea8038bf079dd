import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.sentinel.text_file import read_texts


def file_of(place: Path, *rows: dict[str, Any]) -> Path:
    file = place / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_every_column_is_read(tmp_path: Path) -> None:
    talk = [{"role": "user", "content": "Tea?"}]
    row = {"conversation": talk, "response": "Yes.", "user_id": "u1", "weight": 2, "segment": "drinks", "proxy": 0.5}
    found = read_texts(file_of(tmp_path, row | {"judge": 1}, row | {"proxy": None, "judge": 0}))
    assert (found.conversations, found.responses, found.users) == ([talk] * 2, ["Yes."] * 2, ["u1"] * 2)
    assert found.segments == ["drinks"] * 2
    assert found.weights is not None
    assert found.proxy is not None
    assert found.weights.tolist() == [2, 2]
    assert np.array_equal(found.proxy, [0.5, np.nan], equal_nan=True)


def test_a_prompt_and_a_response_are_enough_in_parquet(tmp_path: Path) -> None:
    file = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"prompt": ["Tea?"], "response": ["Yes."]}), file)
    found = read_texts(file)
    assert (found.users, found.weights, found.proxy) == (None, None, None)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "Tea?"}, "must have conversation .* and response; its columns are prompt"),
        ({"prompt": "Tea?", "response": ""}, "row 1: response is empty"),
        ({"prompt": "Tea?", "response": "Yes.", "weight": 0}, "weight is 0, must be a number above 0"),
        ({"prompt": "Tea?", "response": "Yes.", "proxy": "high"}, "proxy is 'high', must be a number, or empty"),
        ({"prompt": "", "response": "Yes."}, "must be the user's text"),
    ],
)
def test_what_is_wrong_is_told_with_its_row(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_texts(file_of(tmp_path, row))
