"""`loveloop ui`: it refuses what it cannot serve before anything starts, and ends everything that it started."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from assets.cli import group
from assets.orchestration import server

TINY = Path(__file__).with_name("tiny.toml")
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("port", "told"), [("99999", "99999"), ("0", "no port")])
def test_a_port_that_is_none_is_refused(port: str, told: str, tmp_path: Path) -> None:
    failed = CliRunner().invoke(group, ["ui", "--home", str(tmp_path), "--port", port])
    assert failed.exit_code in (1, 2)
    assert told in failed.output + str(failed.exception)


def test_a_port_that_is_taken_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        failed = CliRunner().invoke(group, ["ui", "--home", str(tmp_path), "--port", str(taken.getsockname()[1])])
    assert failed.exit_code == 1
    assert "is taken; end what listens there, or give another --port" in str(failed.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_there_is_refused_with_the_ones_that_are(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text("{}")
    failed = CliRunner().invoke(group, ["ui", "--home", str(tmp_path), "--run", "yours", "--port", str(_free())])
    assert f"no run yours in {tmp_path} (runs there: mine)" in str(failed.exception)


@pytest.mark.slow
def test_a_part_that_dies_ends_the_others_and_says_its_last_words(tmp_path: Path) -> None:
    environment = os.environ | {"LOVELOOP_HOME": str(tmp_path), "LOVELOOP_RECIPE": "/nowhere.toml"}
    with pytest.raises(server.PartDiedError, match=r"(?s)code process ended \(1\); its last words, of .*code\.log"):
        server.serve(_free(), environment | {"DAGSTER_HOME": str(tmp_path)}, tmp_path / "logs", say=print)
    assert [each for each in psutil.Process().children(recursive=True) if "dagster" in " ".join(each.cmdline())] == []


@pytest.mark.slow
def test_sigterm_ends_every_process_and_frees_the_port(tmp_path: Path) -> None:
    port = _free()
    words = [sys.executable, "-m", "assets", "ui", "--home", str(tmp_path), "--recipe", str(TINY), "--port", str(port)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any("is ready" in line for line in process.stdout)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2
    second = subprocess.run(
        [*words[:-1], str(_free())], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert second.returncode == 1
    assert "serves run demo already" in second.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    _, alive = psutil.wait_procs(children, timeout=1)
    assert alive == []
    server.check_port(port)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
