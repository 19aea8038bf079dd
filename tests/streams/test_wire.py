import random
from collections.abc import Callable

import pytest
from kafka.partitioner.default import murmur2

from streams import wire

LINES = [
    b'{"user_id":"a"}',
    b"\xff\xfe\x00 not text",
    '{"user_id":"\N{SNOWMAN}\u2028"}'.encode(),
    b'{"half',
    b"[]",
    b"7",
]


def partition(partitions: int = 4) -> wire.Partitioner:
    return wire.Partitioner(partitions, murmur2)


def test_packed_lines_come_back_byte_by_byte_and_in_order() -> None:
    packer = wire.Packer(pack_lines=3)
    packs = [pack for line in LINES * 5 if (pack := packer.add(0, line, now=0.0))] + packer.drain()
    assert [line for pack in packs for line in wire.unpack(pack.value)] == LINES * 5
    assert [pack.lines for pack in packs] == [3] * 10


def test_blank_lines_and_carriage_returns_fall_away() -> None:
    assert wire.unpack(b"\n\n a \r\n\t\nb\n") == [b"a", b"b"]


@pytest.mark.parametrize("value", [None, b"", b"\n \n"])
def test_a_message_without_lines_is_empty(value: bytes | None) -> None:
    assert wire.unpack(value) == []


def test_a_line_keeps_its_coordinates_however_often_it_is_read() -> None:
    first, second = wire.numbered(3, 17, b"x\n\ny"), wire.numbered(3, 17, b"x\n\ny")
    assert first == second
    assert [(line.partition, line.offset, line.number, line.text) for line in first] == [
        (3, 17, 0, b"x"),
        (3, 17, 1, b"y"),
    ]


def test_a_separator_inside_a_string_does_not_split_a_line() -> None:
    line = '{"text":"one\\ntwo\u2028three\x85four"}'.encode()
    assert wire.unpack(line + b"\n" + line) == [line, line]


def test_a_pack_closes_at_its_size_limit() -> None:
    packer = wire.Packer(pack_bytes=1000)
    packs = [packer.add(0, b"x" * 400, now=0.0) for _ in range(3)]
    assert packs[:2] == [None, None]
    assert packs[2] is not None
    assert packs[2].lines == 3


def test_one_huge_line_is_a_pack_of_its_own() -> None:
    pack = wire.Packer(pack_bytes=1000).add(0, b"x" * 5000, now=0.0)
    assert pack is not None
    assert pack.lines == 1


def test_a_line_waits_no_longer_than_the_linger() -> None:
    packer = wire.Packer(linger=0.02)
    packer.add(0, b"a", now=10.0)
    packer.add(1, b"b", now=10.015)
    assert packer.due(now=10.019) == []
    assert [pack.value for pack in packer.due(now=10.021)] == [b"a"]
    assert [pack.value for pack in packer.drain()] == [b"b"]


def test_a_users_lines_go_where_kafkas_own_partitioner_sends_the_key() -> None:
    mine = partition(7)
    for user in ("u-1", "\N{SNOWMAN}" * 20, "x" * 256):
        expected = (murmur2(user.encode()) & 0x7FFFFFFF) % 7
        assert mine.of_user(user) == mine.of_line(b'{"n":1,"user_id":"' + user.encode() + b'"}') == expected


def test_users_spread_evenly_over_the_partitions() -> None:
    mine = partition(4)
    counts = [0] * 4
    for number in range(4000):
        counts[mine.of_user(f"user-{number}")] += 1
    assert min(counts) > 850


@pytest.mark.parametrize("line", [b"\xff\xfe", b"{}", b'{"user_id":7}', b"[1]", b"{" * 100_000, b'{"user_id":"\xc3"}'])
def test_copies_of_an_unreadable_line_meet_in_one_partition(line: bytes) -> None:
    assert partition().of_line(line) == partition().of_line(line) < 4


def test_forgetting_users_changes_no_partition() -> None:
    small, large = wire.Partitioner(4, murmur2, remember=2), partition()
    users = [f"u{random.Random(5).randrange(50)}-{number % 9}" for number in range(100)]
    assert [small.of_user(user) for user in users] == [large.of_user(user) for user in users]


def test_the_order_of_every_user_survives_packing(
    pack_everything: Callable[[list[bytes]], dict[int, list[bytes]]],
) -> None:
    lines = [b'{"user_id":"u%d","n":%d}' % (number % 37, number) for number in range(5000)]
    packed = pack_everything(lines)
    for user in range(37):
        mine = [line for line in lines if b'"u%d"' % user in line]
        homes = [part for part, held in packed.items() if mine[0] in held]
        assert len(homes) == 1
        assert [line for line in packed[homes[0]] if b'"u%d"' % user in line] == mine


@pytest.fixture
def pack_everything() -> Callable[[list[bytes]], dict[int, list[bytes]]]:
    def pack(lines: list[bytes]) -> dict[int, list[bytes]]:
        packer, partitioner, got = wire.Packer(), partition(), {number: [] for number in range(4)}  # type: ignore[var-annotated]
        for number, line in enumerate(lines):
            full = packer.add(partitioner.of_line(line), line, now=number * 1e-4)
            for done in ([full] if full else []) + packer.due(now=number * 1e-4):
                got[done.partition] += wire.unpack(done.value)
        for done in packer.drain():
            got[done.partition] += wire.unpack(done.value)
        return got

    return pack
