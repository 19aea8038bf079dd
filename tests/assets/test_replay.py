import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.cli.stream import replay as command
from streams.events import ErasureRequested, encode, new_event_id

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "assets", "replay"]


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A file of three events: two at once, the third a day later."""
    moments = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=days) for days in (0, 0, 1)]
    events = [ErasureRequested(event_id=new_event_id(at), user_id="u", requested_at=at) for at in moments]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"".join(encode(event) + b"\n" for event in events))
    return file


def replay(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, str(file), *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_so_it_goes_on(broker: str, day: Path) -> None:
    words = [*COMMAND, str(day), "--bootstrap", broker, "--speed", "1", "--shift", "86400"]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("replaying ")
        running.send_signal(signal.SIGINT)
        said, told = running.communicate(timeout=60)
    sent = re.search(r"sent (\d) events", said)
    advice = re.search(r"stopped after line (\d); go on with --skip (\d)(?: --shift 86400.000)?$", told.strip())
    assert sent is not None
    assert advice is not None
    assert int(sent[1]) == int(advice[1]) == int(advice[2]) < 3
    done = replay(day, "--bootstrap", broker, "--skip", advice[2], "--speed", "max")
    assert done.returncode == 0, done.stderr
    assert f"sent {3 - int(sent[1])} events" in done.stdout


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "inf", "nan"])
def test_a_speed_is_a_number_above_zero_or_max(day: Path, speed: str) -> None:

    done = CliRunner().invoke(command, [str(day), "--speed", speed])
    assert done.exit_code == 2
    assert "must be a number above 0 (event seconds per second), or max" in done.output


def test_two_shifts_are_refused(day: Path) -> None:

    done = CliRunner().invoke(command, [str(day), "--shift-to-now", "--shift", "3"])
    assert done.exit_code == 2
    assert "not both" in done.output
