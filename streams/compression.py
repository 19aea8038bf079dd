"""Compressed record batches, unpacked up to a bound: four megabytes of zeros in zstd would be tens of gigabytes.

Kafka's client unpacks whatever a batch holds before it looks at it, so that one batch could take all memory of every
process that reads the topic, again after each start.
"""

from __future__ import annotations

import io
import struct
import zlib

CODECS = {1: ("gzip", ""), 2: ("snappy", "python-snappy"), 3: ("lz4", "lz4"), 4: ("zstd", "zstandard")}
"""What a batch may be compressed with, and the package that reads it."""
LARGEST = 256 * 1_048_576
"""Bytes of an unpacked batch: 64 times the largest that a topic takes; text shrinks to a tenth."""
_PART = 1_048_576
_XERIAL = b"\x82SNAPPY\0"
"""Java's clients write snappy in blocks behind this mark and two version numbers."""


class CodecMissingError(ModuleNotFoundError):
    """A batch is compressed with a codec whose package is not installed. Nothing is wrong with the batch."""


class UnpackedTooLargeError(ValueError):
    """A batch would unpack to more than `LARGEST` bytes."""

    def __init__(self) -> None:
        super().__init__(f"it unpacks to more than {LARGEST:,} bytes, the most that is read")


def require(codec: int) -> None:
    """Check that a codec can be read here.

    Raises:
        CodecMissingError: Its package is missing.
    """
    from kafka import codec as codecs

    name, package = CODECS.get(codec, ("", ""))
    if package and not getattr(codecs, f"has_{name}")():
        raise CodecMissingError(
            f"messages compressed with {name} need the package {package}, which is not installed: "
            f"pip install {package} (the extra `stream` brings it), then run the same again"
        )


def unpack(codec: int, packed: bytes) -> bytes:
    """A batch's messages as they were before they were compressed.

    Args:
        codec: A key of `CODECS`.
        packed: The batch behind its header.

    Raises:
        CodecMissingError: The codec's package is missing.
        UnpackedTooLargeError: It holds more than `LARGEST` bytes; no more than that was unpacked.
        ValueError: There is no such codec; and errors of its own that each codec has for bytes that it cannot read.
    """
    if codec not in CODECS:
        raise ValueError("no such codec")
    require(codec)
    unpacked = (_gzip, _snappy, _lz4, _zstd)[codec - 1](packed)
    if len(unpacked) > LARGEST:
        raise UnpackedTooLargeError
    return unpacked


def _gzip(packed: bytes) -> bytes:
    found = io.BytesIO()
    while packed:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        found.write(member.decompress(packed, LARGEST + 1 - found.tell()))
        if found.tell() > LARGEST:
            raise UnpackedTooLargeError
        if not member.eof:
            raise EOFError("the gzip member ends in the middle")
        packed = member.unused_data
    return found.getvalue()


def _snappy(packed: bytes) -> bytes:
    if not packed.startswith(_XERIAL):
        return _snappy_block(packed, LARGEST)
    found, at = io.BytesIO(), 16
    while at < len(packed):
        (size,) = struct.unpack_from("!i", packed, at)
        if size < 0:
            raise ValueError(f"a snappy block of {size} bytes")
        found.write(_snappy_block(packed[at + 4 : at + 4 + size], LARGEST - found.tell()))
        at += 4 + size
    return found.getvalue()


def _snappy_block(packed: bytes, room: int) -> bytes:
    """One block, which begins with its unpacked size as a varint."""
    import snappy

    size = 0
    for place, byte in enumerate(packed[:5]):
        size |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            break
    if size > room:
        raise UnpackedTooLargeError
    return bytes(snappy.decompress(packed))


def _lz4(packed: bytes) -> bytes:
    from lz4.frame import LZ4FrameDecompressor

    frame = LZ4FrameDecompressor()
    found = frame.decompress(packed, LARGEST + 1)
    if not frame.eof and len(found) <= LARGEST:
        raise EOFError("the lz4 frame ends in the middle")
    return bytes(found)


def _zstd(packed: bytes) -> bytes:
    import zstandard

    found = io.BytesIO()
    with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
        while part := reader.read(_PART):
            found.write(part)
            if found.tell() > LARGEST:
                raise UnpackedTooLargeError
    return found.getvalue()
