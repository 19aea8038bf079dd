"""The rivals' environments: made with uv outside the repository, with the same DuckDB, pyarrow and msgspec as ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

DEFAULT = Path.home() / ".cache" / "loveloop-bench"
RIVALS = {"bytewax": "bytewax[kafka]==0.21.1", "quixstreams": "quixstreams==3.28.1"}
SHARED = ("duckdb", "pyarrow", "msgspec")


class EnvironmentMissingError(RuntimeError):
    """A rival's environment cannot be made here; the text says why."""


def make(rival: str, folder: Path = DEFAULT) -> Path:
    """The Python of a rival's environment, which is made unless it is there in the wanted versions.

    Raises:
        EnvironmentMissingError: uv is not there, or could not install the packages.
    """
    return installed(rival, [RIVALS[rival], *map(as_here, SHARED)], folder)


def as_here(package: str) -> str:
    """A package in the version of this environment, for pip."""
    return f"{package}=={version(package).split('+')[0]}"


def installed(name: str, wanted: list[str], folder: Path = DEFAULT) -> Path:
    """The Python of an environment that holds the wanted packages; made unless it is there.

    Raises:
        EnvironmentMissingError: uv is not there, or could not install the packages.
    """
    home = folder / name
    python, stamp = home / "bin" / "python", home / "loveloop-bench.txt"
    if stamp.exists() and stamp.read_text().split() == wanted:
        return python
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if uv is None:
        raise EnvironmentMissingError("uv is not installed; `pip install uv`")
    _run(uv, "venv", "--quiet", "--clear", "--python", "3.11", str(home))
    _run(uv, "pip", "install", "--quiet", "--python", str(python), *wanted)
    stamp.write_text("\n".join(wanted))
    return python


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EnvironmentMissingError(f"`{' '.join(command[:4])} ...` failed: {done.stderr.strip()[-500:]}")
