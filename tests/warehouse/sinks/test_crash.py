"""The crash harness itself, in short: ten kills in five places of the transaction."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = Path(__file__).parents[3] / "bench" / "crash.py"


@pytest.mark.slow
def test_ten_kills_in_five_places_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(CRASH), "--quick", "--broker", "tansu", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert (found["lost"], found["duplicated"], found["tables_that_differ"]) == (0, 0, [])
    assert found["events"] >= 40_000
    assert {each["died"] for each in found["by_place"]} >= {"between statements", "within COMMIT", "right after COMMIT"}
