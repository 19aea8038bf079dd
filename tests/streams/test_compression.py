"""Batches are unpacked as Kafka's clients pack them, and no further than to the bound."""

import random
import tracemalloc

import pytest
from kafka import codec as kafka_codec

from streams import compression

PACKERS = {
    1: kafka_codec.gzip_encode,
    2: kafka_codec.snappy_encode,
    3: kafka_codec.lz4_encode,
    4: kafka_codec.zstd_encode,
}


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_what_kafkas_client_packs_is_unpacked(codec: int, size: int) -> None:
    data = random.Random(size).randbytes(size // 2) + b"love " * (size // 10)
    assert compression.unpack(codec, bytes(PACKERS[codec](data))) == data


def test_snappy_without_javas_blocks_and_gzip_in_members_are_unpacked() -> None:
    assert compression.unpack(2, kafka_codec.snappy_encode(b"love" * 99, xerial_compatible=False)) == b"love" * 99
    assert compression.unpack(1, kafka_codec.gzip_encode(b"lo") + kafka_codec.gzip_encode(b"ve")) == b"love"


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("blocks", [False, True])
def test_no_more_is_unpacked_than_the_bound(codec: int, *, blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "LARGEST", 4_000_000)
    zeros = bytes(100_000_000)
    packed = kafka_codec.snappy_encode(zeros, xerial_compatible=blocks) if codec == 2 else PACKERS[codec](zeros)
    tracemalloc.start()
    try:
        with pytest.raises(compression.UnpackedTooLargeError, match="unpacks to more than 4,000,000 bytes"):
            compression.unpack(codec, bytes(packed))
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", [1, 3])
def test_what_is_cut_is_refused(codec: int) -> None:
    packed = bytes(PACKERS[codec](random.Random(1).randbytes(50_000)))
    with pytest.raises(EOFError, match="ends in the middle"):
        compression.unpack(codec, packed[: len(packed) // 2])
