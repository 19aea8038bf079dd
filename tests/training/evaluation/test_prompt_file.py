import json
from pathlib import Path

import pytest

from training.evaluation.prompt_file import read_prompts


def written(place: Path, *rows: dict[str, object]) -> Path:
    file = place / "asked.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return file


def test_prompts_come_with_their_users_where_the_file_has_them(tmp_path: Path) -> None:
    talk = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "?"},
    ]
    found = read_prompts(
        written(tmp_path, {"conversation": talk, "user_id": 7}, {"conversation": talk, "user_id": "b"})
    )
    assert found.conversations == [talk, talk]
    assert found.users == ["7", "b"]
    assert read_prompts(written(tmp_path, {"prompt": "hi"})) == ([[{"role": "user", "content": "hi"}]], None)


def test_what_is_no_prompt_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks conversation"):
        read_prompts(written(tmp_path, {"text": "hi"}))
    with pytest.raises(ValueError, match="row 2: user_id is empty, must be filled in every row, or leave"):
        read_prompts(written(tmp_path, {"prompt": "hi", "user_id": "a"}, {"prompt": "hi", "user_id": ""}))
    with pytest.raises(ValueError, match="lacks conversation"):
        read_prompts(written(tmp_path))
