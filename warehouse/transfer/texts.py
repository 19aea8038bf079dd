"""Text files as UTF-8, block by block: uncompressed, and from UTF-16 or UTF-32 where a byte order mark says so.

What a file is, its first bytes say; its name is asked only where they say nothing.
"""

from __future__ import annotations

import codecs
import gzip
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa

from streams.events import BYTE_ORDER_MARK
from warehouse.storage.transaction import WarehouseError

COMPRESSIONS: Final = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}
"""The end of a compressed file's name, and the bytes with which it begins."""
_OTHERS: Final = {
    b"PK\x03\x04": "a ZIP archive, or a workbook of Excel: unpack it, or save the sheet as CSV",
    b"PAR1": "Parquet: give it a name that ends in .parquet",
    b"SQLi": "a database of SQLite: export its table as CSV or JSON lines",
}
"""First four bytes of files that are no text."""
BLOCK = 4 * 1_048_576
LONGEST = 64 * 1_048_576
"""Bytes of one line."""
_MARKS = (
    (BYTE_ORDER_MARK, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, with whose mark it begins
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def blocks(path: Path, told: Counter[str] | None = None) -> Iterator[bytes]:
    """The file's text in UTF-8, without a byte order mark.

    Raises:
        WarehouseError: Bytes that are not of the encoding that the mark says.
    """
    with _opened(path) as stream:
        first = stream.read(BLOCK)
        mark, encoding = next((each for each in _MARKS if first.startswith(each[0])), (b"", "utf-8"))
        if mark and told is not None:
            told[f"a byte order mark of {encoding.upper()} left out"] += 1
        if encoding == "utf-8":
            yield from _from(first[len(mark) :], stream)
            return
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for block in _from(first, stream):
                yield decoder.decode(block).encode()
            yield decoder.decode(b"", final=True).encode()
        except UnicodeError as error:
            raise WarehouseError(f"{path} begins as {encoding.upper()} and does not go on so: {error}") from None


def lines(path: Path, told: Counter[str] | None = None) -> Iterator[bytes]:
    r"""Lines with their ends, which are `\n` alone: other signs that end lines elsewhere may stand in a text."""
    rest = b""
    for block in blocks(path, told):
        *whole, rest = (rest + block).split(b"\n")
        if len(rest) > LONGEST:
            raise WarehouseError(f"{path} has no line break in {LONGEST:,} bytes: are these JSON lines?")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def not_blank(found: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without the white space around them, those that are blank left out."""
    return (line for each in found if (line := each.strip()))


def whole(path: Path, told: Counter[str] | None = None) -> bytes:
    """All of the text at once."""
    return b"".join(blocks(path, told))


def _from(first: bytes, stream: IO[bytes]) -> Iterator[bytes]:
    yield first
    yield from iter(lambda: stream.read(BLOCK), b"")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with path.open("rb") as raw:
        begins = raw.read(4)
    if other := _OTHERS.get(begins):
        raise WarehouseError(f"{path} is {other}")
    marked = next((end for end, mark in COMPRESSIONS.items() if begins.startswith(mark)), None)
    match marked or path.suffix.lower():
        case ".gz":  # all members of it, and the zeros that may follow them
            with gzip.open(path, "rb") as stream:
                yield stream
        case ".zst":
            with pa.input_stream(str(path), compression="zstd") as stream:
                yield stream
        case _:
            with path.open("rb") as stream:
                yield stream
