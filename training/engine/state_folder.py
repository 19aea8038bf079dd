"""The states of many ranks on disk: two folders by turns, a shard a rank, and the file that names the whole one."""

import shutil
from pathlib import Path
from typing import Any

import torch

from streams.whole_file import whole
from training.disk import dropped

LATEST = "latest"
"""The file that names the newest whole state."""


def read_name(directory: Path) -> str | None:
    """The name of the newest whole state; None before there is one."""
    file = directory / LATEST
    return file.read_text().strip() if file.exists() else None


def next_name(directory: Path) -> str:
    """A folder that is not in use; what a killed run left half-written there goes first."""
    kept = read_name(directory)
    name = "state-b" if kept == "state-a" else "state-a"
    shutil.rmtree(directory / name, ignore_errors=True)
    return name


def read_shard(file: Path) -> tuple[Any, str | None]:
    """A rank's part of a state, and what is wrong with it."""
    try:
        return torch.load(file, weights_only=False, map_location="cpu"), None
    except PermissionError:
        raise
    except Exception as error:  # whatever it is, the other ranks must hear of it: they wait
        return None, f"{file.name}: {error or type(error).__name__}"


def forget(directory: Path, problem: str) -> None:
    """Drop a state of which a part is damaged."""
    name = read_name(directory)
    (directory / LATEST).unlink()
    if name is not None and (directory / name).is_dir():
        dropped(directory / name, "the state", problem)


def publish(directory: Path, name: str) -> None:
    """Name a state that is whole as the newest one, in one rename, and drop the one before."""
    kept = read_name(directory)
    with whole(directory / LATEST) as part:
        part.write_text(name)
    if kept is not None:
        shutil.rmtree(directory / kept, ignore_errors=True)
