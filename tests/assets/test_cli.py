import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from assets.cli.loop import demo
from assets.cli.world import simulate
from assets.errors import told
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


@pytest.mark.parametrize("name", ["../outside", "..", ".", "", "a/b"])
def test_a_run_has_the_name_of_one_folder_in_the_home(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = CliRunner().invoke(demo, ["--home", str(home), "--name", name])
    assert done.exit_code == 2
    assert f"--name == {name!r}, must be one folder's name" in done.output
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_a_broker_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text("{}\n")
    done = loveloop("send", str(events), "--bootstrap", "127.0.0.1:9")
    assert done.returncode == 1
    assert "no broker answers at 127.0.0.1:9" in done.stderr
    assert "loveloop broker" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_check_of_a_file_that_an_import_would_refuse_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"stars": 5}\n')
    done = loveloop("import", str(tmp_path / "a.jsonl"), "--check", "--warehouse", str(tmp_path / "none.duckdb"))
    assert ("would be refused" in done.stdout, done.returncode) == (True, 1)


def test_a_warehouse_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    done = loveloop("warehouse", "status", "--warehouse", str(tmp_path / "none.duckdb"))
    assert done.returncode == 1
    assert done.stderr.startswith("loveloop: no warehouse at")
    assert len(done.stderr.splitlines()) == 1


def test_a_directory_without_a_run_is_one_clear_error(tmp_path: Path) -> None:
    done = loveloop("report", str(tmp_path))
    assert done.returncode == 1
    assert "no run in" in done.stderr


@pytest.mark.slow
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


def test_an_error_of_another_library_says_how_to_see_where_it_came_from(tmp_path: Path) -> None:
    spoilt = tmp_path / "recipe.toml"
    spoilt.write_bytes(b'source = "\xff"')
    done = loveloop("run", "--recipe", str(spoilt), "--home", str(tmp_path / "runs"))
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "(LOVELOOP_TRACEBACK=1 shows where)")


def test_a_missing_package_says_what_brings_it() -> None:
    with pytest.raises(ModuleNotFoundError) as seen:
        importlib.import_module("no_such_package")
    assert told(seen.value).startswith("No module named 'no_such_package': it comes with an extra, pip install")


def within_the_ingest_stage(home: Path) -> tuple["subprocess.Popen[str]", int]:
    """A `loveloop run` whose broker has just been started, and the broker's process id."""
    words = [sys.executable, "-m", "assets", "run", "--recipe", "tests/assets/tiny.toml", "--home", str(home)]
    running = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    record = home / "tiny" / "broker" / "broker.json"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        if record.is_file() and record.stat().st_size:
            return running, int(json.loads(record.read_text())["pid"])
        time.sleep(0.005)
    running.kill()
    raise AssertionError(f"no broker was started: {running.communicate()[1]}")


@pytest.mark.slow
def test_sigterm_ends_a_run_in_good_order_and_its_broker_with_it(tmp_path: Path) -> None:
    running, broker = within_the_ingest_stage(tmp_path)
    running.send_signal(signal.SIGTERM)
    assert "stopped; run the same command again and it goes on where it was" in running.communicate(timeout=30)[1]
    assert running.returncode == 143
    assert not psutil.pid_exists(broker)
    assert not (tmp_path / "tiny" / "broker" / "broker.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_the_broker_of_a_run_that_is_killed_ends_too(tmp_path: Path) -> None:
    running, broker = within_the_ingest_stage(tmp_path)
    descriptor = os.pidfd_open(broker)
    running.kill()
    running.communicate()
    assert select.select([descriptor], [], [], 10)[0]
