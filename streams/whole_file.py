"""A file that appears whole or not at all: written beside its name, then renamed into place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give the place to write to; it takes the file's name when the block ends well, and is gone when it raises.

    Args:
        file: To be written, or replaced; its folder is made. What was there stays until the new one is whole.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "figures.json"
        >>> with whole(file) as part:
        ...     _ = part.write_text("{}")
        >>> [each.name for each in file.parent.iterdir()]
        ['figures.json']
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
