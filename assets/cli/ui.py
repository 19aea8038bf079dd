"""The Dagster UI from the command line."""

import os
import subprocess
import sys
from pathlib import Path

import click

from assets.cli import options

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@click.command()
@options.home
@click.option("--port", type=int, default=3000, show_default=True, help="Port on 127.0.0.1.")
def ui(home: Path, port: int) -> None:
    """Serve the Dagster UI: the stages as assets, with their checks, plots and history."""
    dagster_home = (home / ".dagster").resolve()
    dagster_home.mkdir(parents=True, exist_ok=True)
    (dagster_home / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    environment = os.environ | {"DAGSTER_HOME": str(dagster_home), "LOVELOOP_HOME": str(home.resolve())}
    command = [sys.executable, "-m", "dagster", "dev", "-m", "assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)
