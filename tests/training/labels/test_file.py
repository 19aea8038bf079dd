import csv
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.labels import file
from training.reward.data import read_examples

ASKED = [{"role": "user", "content": "Any tips?"}]
GOOD = {"conversation": json.dumps(ASKED), "response": 'Try tea, "hot".\nThen rest.', "label": True}
BAD = {"conversation": json.dumps(ASKED), "response": "No.", "label": False}
FULL = {"user_id": "u-1", "served_at": "2026-03-01T09:30:00+01:00", "weight": 0.5}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as the suffix says."""
    match path.suffix:
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        case ".csv":
            with path.open("w", newline="") as target:
                writer = csv.DictWriter(target, [*rows[0]])
                writer.writeheader()
                writer.writerows(rows)
        case _:
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ndjson", "jsonl"])
def test_every_kind_of_file_gives_the_same_examples(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path / f"labels.{suffix}", [GOOD | FULL, BAD | FULL])
    found = file.read(path)
    assert found.table.to_pylist() == [
        GOOD | {"weight": 0.5, "user_id": "u-1", "served_at": datetime(2026, 3, 1, 8, 30, tzinfo=UTC)},
        BAD | {"weight": 0.5, "user_id": "u-1", "served_at": datetime(2026, 3, 1, 8, 30, tzinfo=UTC)},
    ]
    assert found.origin == {
        "source": "file",
        "words": f"2 labelled answers of labels.{suffix}, 50.0% good",
        "file": f"labels.{suffix}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "rows": 2,
        "skipped": {"without a label": 0, "without a response": 0},
        "positive_share": 0.5,
    }
    assert read_examples(found.table).positive_rate == 0.5


@pytest.mark.parametrize("yes", [True, 1, 1.0, "1", "true", "TRUE", " Good "])
@pytest.mark.parametrize("no", [False, 0, "0", "false", "bad"])
def test_labels_may_be_written_in_three_ways(tmp_path: Path, yes: Any, no: Any) -> None:
    path = written(tmp_path / "labels.ndjson", [GOOD | {"label": yes}, BAD | {"label": no}])
    assert file.read(path).table["label"].to_pylist() == [True, False]


def test_a_prompt_is_a_conversation_of_one_message_and_a_list_needs_no_json(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Any tips?", "response": "Tea.", "label": 1},
        {"prompt": "Any tips?", "response": "No", "label": 0},
    ]
    one = file.read(written(tmp_path / "prompts.csv", rows)).table
    assert json.loads(one["conversation"][0].as_py()) == ASKED
    for suffix in ("parquet", "ndjson"):
        other = file.read(
            written(tmp_path / f"l.{suffix}", [GOOD | {"conversation": ASKED}, BAD | {"conversation": ASKED}])
        )
        assert other.table["conversation"].to_pylist() == [json.dumps(ASKED)] * 2


def test_without_users_and_moments_a_conversation_stays_together(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n % 5}", "response": f"a{n}", "label": n % 2} for n in range(20)]
    found = file.read(written(tmp_path / "labels.ndjson", rows))
    kept = zip(*(found.table[name].to_pylist() for name in ("conversation", "user_id", "served_at")), strict=True)
    assert len({*kept}) == len({*found.table["user_id"].to_pylist()}) == 5
    assert found.table["weight"].to_pylist() == [1.0] * 20
    assert (
        found.origin["words"] == "20 labelled answers of labels.ndjson, without user_id, without served_at, 50.0% good"
    )


def test_rows_without_a_label_or_a_response_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [GOOD, BAD, GOOD | {"label": None}, GOOD | {"label": " "}, BAD | {"response": ""}]
    found = file.read(written(tmp_path / "labels.ndjson", rows))
    assert found.table.num_rows == 2
    assert found.origin["skipped"] == {"without a label": 2, "without a response": 1}
    assert found.origin["words"].endswith("; left out, without a label: 2; left out, without a response: 1")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": "maybe"}, "row 2: label is 'maybe', must be true or false, 1 or 0, good or bad"),
        ({"label": 0.7}, "row 2: label is 0.7, must be"),
        ({"label": 2}, "row 2: label is 2, must be"),
        ({"response": 5}, "row 2: response is 5, must be a text"),
        ({"conversation": "Any tips?"}, "row 2: conversation is 'Any tips.', must be a JSON list.*column prompt"),
        ({"conversation": "[]"}, "row 2: conversation is .., must be a list of messages"),
        (
            {"conversation": [{"role": "bot", "content": "x"}]},
            "row 2: message 1 .* of role 'bot'; .* with role .system, user, assistant",
        ),
        ({"conversation": [*ASKED, {"role": "assistant", "content": "x"}]}, "ends with a message of the assistant"),
        ({"weight": 1.5}, "row 2: weight is 1.5, must be from 0 to 1"),
        ({"weight": None}, "row 2: weight is None, must be from 0 to 1"),
        ({"user_id": ""}, "row 2: user_id is empty"),
        (
            {"served_at": "2026-03-01 09:30"},
            "row 2: served_at is '2026-03-01 09:30', must be a moment with its time zone",
        ),
        ({"served_at": 1772355600}, "row 2: served_at is 1772355600, must be a moment"),
        ({"response": "\ud83d"}, "row 2: a text holds half a character"),
    ],
)
def test_a_value_that_is_not_as_described_is_named_with_its_row(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    path = written(tmp_path / "labels.ndjson", [GOOD | FULL, BAD | FULL | change])
    with pytest.raises(ValueError, match=complaint):
        file.read(path)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.xlsx", "x", r"ends in '.xlsx', must be one of .parquet, .csv, .ndjson, .jsonl"),
        ("a.parquet", "x", "is not a Parquet file"),
        ("a.csv", "prompt,response\nq,a\n", "lacks label; its columns are prompt, response"),
        ("a.csv", "response,label\na,1\n", r"lacks conversation \(or prompt\)"),
        ("a.csv", "prompt,response,label\nq,a,1\nq,well, no,0\n", "row 2 does not have the 3 fields of the header"),
        ("a.csv", "prompt,response,label\nq,a\n", "row 1 does not have the 3 fields"),
        ("a.csv", 'prompt,response,label\n"q,a,1\n', "is not CSV in UTF-8"),
        ("a.csv", "", r"lacks conversation \(or prompt\), response, label; its columns are none"),
        ("a.ndjson", '{"prompt": "q"\n', "line 1 is not JSON"),
        ("a.ndjson", "[1]\n", "line 1 is not a JSON object"),
        ("a.ndjson", '{"prompt": "q", "response": "a", "label": null}\n', "holds 1 rows and no labelled answer"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=complaint):
        file.read(tmp_path / name)


def test_a_file_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no labels file at .*gone.csv"):
        file.read(tmp_path / "gone.csv")
    for name in ("a.csv", "a.ndjson"):
        (tmp_path / name).write_bytes(b"prompt\xff\xfe")
        with pytest.raises(ValueError, match="UTF-8"):
            file.read(tmp_path / name)


def test_a_moment_without_a_zone_in_parquet_is_refused(tmp_path: Path) -> None:
    rows = [GOOD | {"served_at": datetime(2026, 3, 1)}]
    with pytest.raises(
        ValueError, match="row 1: served_at is 2026-03-01 00:00:00, must be a moment with its time zone"
    ):
        file.read(written(tmp_path / "labels.parquet", rows))


def test_a_conversation_may_be_longer_than_a_field_of_the_csv_module_is_by_default(tmp_path: Path) -> None:
    long = {"prompt": "tea " * 50_000, "response": "a\u2028b", "label": "good"}
    (row,) = file.read(written(tmp_path / "labels.csv", [long])).table.to_pylist()
    assert json.loads(row["conversation"])[0]["content"] == long["prompt"]
    assert row["response"] == long["response"]
