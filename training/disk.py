"""Files that appear whole or not at all, and what is said when the disk has no room for them, or has spoilt one."""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from tqdm import tqdm

from streams import whole_file

Content = TypeVar("Content")
Report = TypeVar("Report", bound=BaseModel)
_TORCH_CANNOT_WRITE = ("inline_container", "PytorchStreamWriter", "iostream error")
"""In a RuntimeError of torch's writer, which hides a full disk in one."""


def whole(file: Path, write: Callable[[Path], object], what: str) -> None:
    """Write a file beside its name and rename it into place; where that fails nothing is left of it.

    Args:
        file: Its folder is there.
        write: Writes it to where it is told.
        what: It is, for the error.

    Raises:
        OSError: What could not be written, the room that there is, and what to do.
    """
    with told(file.parent, what), whole_file.whole(file, shared=True) as part:
        write(part)


def sha256(file: Path) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@contextmanager
def told(directory: Path, what: str) -> Iterator[None]:
    """Say what could not be written, how much room there is and what to do.

    Raises:
        OSError: What went wrong.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in _TORCH_CANNOT_WRITE):
            raise
        place = next(each for each in (directory, *directory.parents) if each.exists())
        free = shutil.disk_usage(place).free / 2**30
        raise OSError(
            f"{what} could not be written to {directory} ({error}); {free:.2f} GiB are free there. "
            "What was kept before is whole: make room, then run the same command again and it goes on from there"
        ) from error


def check_writable(out: Path) -> None:
    """Try whether something can be written beside `out`, before hours are spent on what is to lie there.

    Raises:
        OSError: Where it cannot, and what to do.
    """
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"x")
        part.unlink()
    except OSError as error:
        if out.parent.is_dir():
            part.unlink(missing_ok=True)
        raise OSError(
            f"{out} cannot be written ({error.strerror or error}): give a place that is no file's, that you may write "
            "to and that has room"
        ) from None


def kept(file: Path, read: Callable[[Path], Content], what: str) -> Content | None:
    """What a file holds that can be made again; None where it is not there.

    One that is damaged (cut short, overwritten) is dropped, and that is told: whoever kept it makes it anew.

    Args:
        file: Kept earlier, by `whole` or the like.
        read: Reads it; raises whatever it likes where it is damaged.
        what: It is, for the user.

    Raises:
        PermissionError: It may not be read.
    """
    if not file.exists():
        return None
    try:
        return read(file)
    except (PermissionError, MemoryError):
        raise
    except Exception as error:  # every library has its own for a file that is cut short
        dropped(file, what, error)
        return None


def dropped(place: Path, what: str, error: object) -> None:
    """Remove a damaged file or folder, and say so."""
    words = " ".join(str(error).split())[:160] or type(error).__name__
    tqdm.write(f"{what} in {place} is damaged ({words}): it was dropped, and is made anew", file=sys.stderr)
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()


def read_report(file: Path, model: type[Report]) -> Report | None:
    """The report beside finished weights; None where there is none.

    Raises:
        ValueError: It is damaged: what the weights were made of is not known, and they are not replaced in silence.
    """
    if not file.exists():
        return None
    try:
        return model.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ValueError(
            f"{file} is damaged ({error.errors()[0]['msg']}), so nobody knows what the weights beside it were made of: "
            f"put it back, or remove {file.parent} to make them again"
        ) from None
