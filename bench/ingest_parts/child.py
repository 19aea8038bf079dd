"""Every measurement runs in a process of its own: its arguments are one JSON object, its figures are its last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PARTS = Path(__file__).parent
ROOT = PARTS.parents[1]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(PARTS.parent)]),
    "OMP_WAIT_POLICY": "PASSIVE",
}


def start(script: str, *, python: Path | str = sys.executable, **arguments: Any) -> subprocess.Popen[str]:
    """Start one of the parts as a script."""
    command = [str(python), str(PARTS / script), json.dumps(arguments, default=str)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def figures(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a part and read its figures.

    Raises:
        RuntimeError: It failed; the text ends with what it wrote to stderr.
    """
    out, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args[1]} ended with {process.returncode}:\n{errors[-3_000:]}")  # type: ignore[index]
    return dict(json.loads(out.splitlines()[-1]))


def measure(script: str, *, python: Path | str = sys.executable, **arguments: Any) -> dict[str, Any]:
    """Run one of the parts to its end."""
    return figures(start(script, python=python, **arguments))
