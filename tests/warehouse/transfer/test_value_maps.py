import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assets.cli import group
from warehouse.storage.transaction import WarehouseError
from warehouse.transfer.value_maps import parse

ROWS = [5, 4.0, "3", 1, True, "great", "\U0001f499", None]
MEANT = ["love", "love", "neutral", "dislike", "like", "love", "love", None]


@pytest.mark.parametrize("text", ["love", "=love", ">==love", "1=Very Good", "1="])
def test_what_maps_no_reaction_is_refused(text: str) -> None:
    with pytest.raises(WarehouseError, match="maps no reaction"):
        parse(text)


@pytest.mark.slow
def test_names_numbers_and_stars_mean_what_the_mapping_says_and_the_original_is_kept(
    feed: Any, product: Any, tmp_path: Path
) -> None:
    rows = [{"uid": "u", "id": f"r{n}", "at": f"2026-01-05T12:00:0{n}Z", "stars": star} for n, star in enumerate(ROWS)]
    file = tmp_path / "stars.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    command = (
        "--kind reaction_changed --map user_id=uid --map response_id=id "
        "--map reacted_at=at --map reaction=stars --set action=added --set session_id=s --map-reaction stars>=4=love "
        "--map-reaction 1=dislike --map-reaction 3=neutral "
        "--map-reaction true=like --map-reaction grat=love --map-reaction great=love --map-reaction \U0001f499=love"
    )
    warehouse = ["--warehouse", str(feed.warehouse.target)]
    told = CliRunner().invoke(group, ["import", str(file), *warehouse, *command.split()]).output
    assert "changed: 1 x reaction great read as love" in told
    assert "changed: 2 x reaction >=4 read as love" in told
    assert told.count("none of the rows") == told.count("--map-reaction grat=love: none of the rows") == 1
    stored = feed.ask(
        "SELECT response_id, reaction, json_extract(extra, '$.original.reaction') FROM reactions ORDER BY 1"
    )
    assert [reaction for _, reaction, _ in stored] == MEANT[:-1]  # a row without a reaction is a dead letter
    kept = [json.loads(original) if original else None for *_, original in stored]
    assert kept == [seen if meant != str(seen) else None for seen, meant in zip(ROWS, MEANT, strict=True)][:-1]
