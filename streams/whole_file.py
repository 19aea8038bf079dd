"""A file that appears whole or not at all: written beside its name, then renamed into place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(file: Path, *, shared: bool = False) -> Iterator[Path]:
    """Give the place to write to; it takes the file's name when the block ends well, and is gone when it raises.

    What a killed process left there is replaced by the next one: large files do not pile up.

    Args:
        file: To be written, or replaced; its folder is made. What was there stays until the new one is whole.
        shared: Several processes may write it at once: each has a place of its own, named by its process id.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "figures.json"
        >>> with whole(file) as part:
        ...     _ = part.write_text("{}")
        >>> [each.name for each in file.parent.iterdir()]
        ['figures.json']
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part" if shared else f"{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
