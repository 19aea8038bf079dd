"""Kafka's record batches, read for what loveloop needs of a message: its offset, its value, and who stamped it when.

Both Kafka clients make an object of every message, read keys and headers on the way, and stop for good at the first
batch that they cannot read. Here a batch gives its messages, or says why it cannot be read; keys and headers, which
nothing here uses, are passed over whatever they hold; and what an aborted transaction wrote is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from kafka.record import MemoryRecords
from kafka.record.util import decode_varint

from streams.compression import CODECS, CodecMissingError, require, unpack
from streams.receipt import BY_BROKER

_MOST_MESSAGES = 1_000_000
"""No batch holds more: a header that says so is not to be believed."""


class BatchMessage(NamedTuple):
    """One message and its coordinates.

    Attributes:
        stamp: Its batch's time stamp (see `BatchContent`).
        value: A pack of lines (see `wire.unpack`).
    """

    topic: str
    partition: int
    offset: int
    stamp: int
    value: bytes | None


class BatchContent(NamedTuple):
    """What one batch holds.

    Attributes:
        next_offset: Where the log goes on.
        leader_epoch: Of its leader; -1 in old message formats.
        stamp: The latest of its time stamps (ms since 1970, or whatever its producer wrote).
        by_broker: Whether the broker wrote that stamp.
        messages: Offset and value; none of a transaction that was aborted or of a mark that says how one ended.
        broken: Why it cannot be read; empty where it can.
        raw: Its bytes where it cannot be read.
    """

    next_offset: int
    leader_epoch: int
    stamp: int
    by_broker: bool
    messages: list[tuple[int, bytes | None]]
    broken: str = ""
    raw: bytes = b""


def runs(records: MemoryRecords, aborted: Iterable[tuple[int, int]] = ()) -> Iterator[BatchContent]:
    """What the batches of one fetch hold, each in its turn; the last ones wait for the next fetch where it says more.

    Args:
        records: As fetched with `read_committed`.
        aborted: Producer id and first offset of each aborted transaction, as the broker tells them.

    Raises:
        CodecMissingError: The batch in turn needs a package that is not there.
    """
    batches = list(iter(records.next_batch, None))
    rolled_back, end = _outcomes(batches, sorted(aborted, key=lambda each: each[1]))
    for index, batch in enumerate(batches[:end]):
        behind = batches[index + 1].base_offset if index + 1 < len(batches) else None
        yield _run(batch, behind, rolled_back=rolled_back[index])


def _run(batch: Any, behind: int | None, *, rolled_back: bool) -> BatchContent:
    if batch.magic != 2:
        return _old_run(batch)
    stamp, by_broker = batch.max_timestamp, batch.timestamp_type == BY_BROKER
    found: list[tuple[int, bytes | None]] = []
    broken = ""
    if not batch.validate_crc():
        broken = "its checksum does not match its bytes"
    elif not rolled_back and not batch.is_control_batch:
        try:
            found = _messages(batch)
        except CodecMissingError:
            raise
        except Exception as error:  # each codec has errors of its own
            broken = f"{type(error).__name__}: {error}"
    if not broken:
        return BatchContent(batch.next_offset, batch.leader_epoch, stamp, by_broker, found)
    return BatchContent(
        _behind(batch, behind),
        batch.leader_epoch,
        stamp,
        by_broker,
        [],
        f"{_named(batch)}: {broken}",
        bytes(batch._buffer),
    )


def _old_run(batch: Any) -> BatchContent:
    """A batch of message format 0 or 1, of topics from before Kafka 0.11."""
    first, raw = batch.base_offset, bytes(batch._buffer)
    try:
        if not batch.validate_crc():
            raise ValueError("its checksum does not match its bytes")
        found = list(batch)
        stamp = max((each.timestamp for each in found if each.timestamp is not None), default=-1)
        by_broker = any(each.timestamp_type == BY_BROKER for each in found)
        return BatchContent(found[-1].offset + 1, -1, stamp, by_broker, [(each.offset, each.value) for each in found])
    except Exception as error:
        require(batch.compression_type)
        return BatchContent(first + 1, -1, -1, False, [], f"the message at {first}: {error}", raw)


def _named(batch: Any) -> str:
    codec, _ = CODECS.get(batch.compression_type, (f"codec {batch.compression_type}", ""))
    packed = f", compressed with {codec}" if batch.compression_type else ""
    return f"a batch of {batch.records_count:,} messages from offset {batch.base_offset}{packed}"


def _behind(batch: Any, following: int | None) -> int:
    """Where the log goes on behind a batch whose own header may be wrong."""
    first: int = batch.base_offset
    if following is not None and following > first:
        return following
    return int(batch.next_offset) if first < batch.next_offset <= first + _MOST_MESSAGES else first + 1


def _outcomes(batches: list[Any], aborted: list[tuple[int, int]]) -> tuple[list[bool], int]:
    """Of each batch, whether its transaction was aborted; and how many batches, from the first, that is known of.

    The mark behind a batch tells, and the broker's list. Tansu gives no list: a batch that is not listed and whose mark
    was not fetched with it is read with the next fetch, which begins with it and mostly reaches the mark. At the
    beginning of a fetch (4 MiB) it counts as committed, as the list says.

    Args:
        batches: Of one fetch.
        aborted: Producer id and first offset of aborted transactions, in the order of their offsets.
    """
    found = [False] * len(batches)
    unmarked: dict[int, list[int]] = {}
    since: dict[int, int] = {}  # where a producer's transaction before the one in turn ended
    for index, batch in enumerate(batches):
        if batch.magic != 2 or not batch.is_transactional:
            continue
        producer = batch.producer_id
        if not batch.is_control_batch:
            unmarked.setdefault(producer, []).append(index)
            continue
        for earlier in unmarked.pop(producer, []):
            found[earlier] = _is_abort(batch)
        since[producer] = batch.base_offset
    end = len(batches)
    for producer, places in unmarked.items():
        firsts = [first for who, first in aborted if who == producer and first > since.get(producer, -1)]
        for index in places:
            found[index] = any(first <= batches[index].last_offset for first in firsts)
        if places[0] > 0 and not found[places[0]]:
            end = min(end, places[0])
    return found, end


def _is_abort(batch: Any) -> bool:
    """Whether a control batch says that its producer's transaction was aborted."""
    data, at = bytes(batch._buffer), batch._pos
    try:
        for field in range(4):  # length, attributes, time and offset within the batch
            at = at + 1 if field == 1 else decode_varint(data, at)[1]
        size, at = decode_varint(data, at)
        return size >= 4 and data[at + 2 : at + 4] == b"\0\0"
    except IndexError:
        return False


def _messages(batch: Any) -> list[tuple[int, bytes | None]]:
    """The messages of a batch (message format 2): varints of one byte are read here, longer ones by kafka-python."""
    data, at = bytes(batch._buffer), batch._pos
    if batch.compression_type:
        data, at = unpack(batch.compression_type, data[at:]), 0
    base_offset = batch.base_offset
    found: list[tuple[int, bytes | None]] = []
    for _ in range(batch.records_count):
        length, at = decode_varint(data, at)
        end = at + length
        at += 1  # attributes
        at = at + 1 if data[at] < 0x80 else decode_varint(data, at)[1]  # its own stamp
        if data[at] < 0x80:
            offset, at = base_offset + (data[at] >> 1), at + 1
        else:
            offset, at = decode_varint(data, at)
            offset += base_offset
        size, at = ((data[at] >> 1) ^ -(data[at] & 1), at + 1) if data[at] < 0x80 else decode_varint(data, at)
        at += max(size, 0)  # the key
        size, at = decode_varint(data, at)
        if end > len(data) or at + max(size, 0) > end:
            raise ValueError(f"a message of {length} bytes ends at {end} of {len(data)}")
        found.append((offset, data[at : at + size] if size >= 0 else None))
        at = end  # past the headers
    return found
