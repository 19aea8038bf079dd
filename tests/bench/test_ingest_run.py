"""The benchmark runs end to end on a real broker, and compares what it measured with the truth."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streams import brokers

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(bool(brokers.available_kinds()["kafka"]), reason="Apache Kafka cannot be started here")
def test_a_small_run_writes_the_rates_of_the_sink_and_of_the_limit(tmp_path: Path) -> None:
    command = [sys.executable, "bench/ingest.py", "--only", "ours_packed,append_limit", "--events", "3000"]
    done = subprocess.run(
        [*command, "--repeats", "1", "--work", str(tmp_path), "--json", str(tmp_path / "figures.json")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert min(figures["ours_packed"], figures["append_limit"]) > 0
    assert figures["runs"]["ours_packed"][0]["rows"]["events"] == 3_000
    assert "ours_packed / append_limit" in done.stdout
    assert not list(tmp_path.glob("loveloop-bench-*"))
