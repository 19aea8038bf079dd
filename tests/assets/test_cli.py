import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.cli.world import simulate
from streams.synthetic.shares import NAMES

ROOT = Path(__file__).resolve().parents[2]


def loveloop(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "assets", *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_command_that_is_not_there_is_refused() -> None:
    done = loveloop("dance")
    assert done.returncode == 2
    assert "No such command 'dance'" in done.stderr


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text("{}\n")
    done = loveloop("send", str(events), "--bootstrap", "127.0.0.1:9")
    assert done.returncode == 1
    assert "no broker answers at 127.0.0.1:9" in done.stderr
    assert "loveloop broker" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_warehouse_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    done = loveloop("warehouse", "status", "--warehouse", str(tmp_path / "none.duckdb"))
    assert done.returncode == 1
    assert "no warehouse at" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_directory_without_a_run_is_one_clear_error(tmp_path: Path) -> None:
    done = loveloop("report", str(tmp_path))
    assert done.returncode == 1
    assert "no run in" in done.stderr


def test_simulate_writes_what_it_says(tmp_path: Path) -> None:
    done = loveloop("simulate", "--out", str(tmp_path / "world"), "--responses", "300")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "world" / "events.ndjson").read_bytes().splitlines()
    assert f"{len(lines):,} event lines" in done.stdout


def test_simulate_names_every_attack_and_refuses_what_cannot_be() -> None:
    run = CliRunner()
    assert all(name in run.invoke(simulate, ["--help"]).output for name in NAMES)
    for words, message in {
        ("--attack", "burst_bots"): "in (0, 0.9]",
        ("--attack", "burst_bots:0.5", "--attack", "slow_drip:0.5"): "lower the shares",
        ("--love-rate", "0.2"): "0.0005<=x<=0.05",
    }.items():
        done = run.invoke(simulate, words)
        assert done.exit_code == 2
        assert message in done.output
