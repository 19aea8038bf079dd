"""schemathesis, a generator that knows nothing of this gateway but its document, finds no answer that breaks it.

It runs in an environment of its own, which uv makes once; where that cannot be done the test is skipped with the
reason. What it asks comes by a socket, to a real gateway before a real broker.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.streams.gateway.conftest import KEY, Opened

PACKAGE = "schemathesis==4.32.5"
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
CONFIG = f"""page_key_name = "page"
[keys]
product = {{ sha256 = "{hashlib.sha256(KEY.encode()).hexdigest()}", user = "robot", reactions_for_others = true }}
[limits]
requests_per_minute = 1e9
user_requests_per_minute = 1e9
body_bytes = 65536
[spans]
enabled = true
"""
"""Nothing that a key may not do, so that whatever the document lets in must be taken."""


@pytest.fixture(scope="session")
def schemathesis(kept: Callable[[str], Path], fetch: Callable[..., None]) -> Path:
    """The program."""
    folder = kept("schemathesis")
    python, stamp = folder / "python" / "bin" / "python", folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != PACKAGE or not python.exists():
        fetch("uv", "venv", "-q", "--clear", "--python", sys.executable, "python", folder=folder)
        fetch("uv", "pip", "install", "-q", "--python", python, PACKAGE, folder=folder)
        stamp.write_text(PACKAGE)
    return python.with_name("schemathesis")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_request_that_follows_from_the_document_is_answered_otherwise_than_it_says(
    schemathesis: Path, opened: Opened, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    with opened(CONFIG) as desk:
        asked = (
            *(schemathesis, "run", f"http://127.0.0.1:{desk.port}/openapi.json"),
            *("--header", f"Authorization: Bearer {KEY}", "--checks", "all", "--seed", "1", "--max-examples", "10"),
            *("--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure"),
            *("--report", "json", "--report-json-path", report),
        )
        environment = os.environ | {"SCHEMATHESIS_HOOKS": str(HOOKS)}
        done = subprocess.run(
            [*map(str, asked)], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
        told = json.loads(report.read_text())
        taken = {event["type"] for event in desk.events("robot")}
    assert told["operations"]["tested"] == told["operations"]["total"] >= 12
    assert told["test_cases"]["generated"] > 300
    assert {name for name, phase in told["phases"].items() if phase["status"] == "success"} >= {
        "coverage", "fuzzing", "stateful",
    }  # fmt: skip
    assert taken == {"response_served", "reaction_changed", "erasure_requested"}
