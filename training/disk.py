"""Files that appear whole or not at all, and what is said when the disk has no room for them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with told(file.parent, what):
            write(part)
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)


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
