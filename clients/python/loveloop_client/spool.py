"""A file for events that the broker did not take in time: one line each, added at the end, sent again, then removed."""

from collections.abc import Iterable, Iterator
from pathlib import Path


class Spool:
    """The file. One thread of one process uses it.

    Args:
        path: Made with its folder on first use. What lies in it from an earlier process counts as spooled.

    Attributes:
        lines: How many events lie in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        if path.is_file():
            with path.open("rb") as file:
                self.lines = sum(1 for _ in file)

    def add(self, lines: Iterable[bytes]) -> None:
        """Put events at the end.

        Raises:
            OSError: The file cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        held = list(lines)
        with self.path.open("ab") as file:
            file.write(self._gap() + b"".join(line + b"\n" for line in held))
        self.lines += len(held)

    def parts(self, size: int) -> Iterator[list[bytes]]:
        """Its events, about `size` bytes at a time."""
        with self.path.open("rb") as file:
            while part := file.readlines(size):
                yield [line.strip() for line in part if line.strip()]

    def clear(self) -> None:
        """Remove the file: everything in it has arrived."""
        self.path.unlink(missing_ok=True)
        self.lines = 0

    def _gap(self) -> bytes:
        """A line that a killed process left half written must not swallow the next one."""
        if not self.path.is_file() or not self.path.stat().st_size:
            return b""
        with self.path.open("rb") as file:
            file.seek(-1, 2)
            return b"" if file.read() == b"\n" else b"\n"
