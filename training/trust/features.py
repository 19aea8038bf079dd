"""What a response is made of, as numbers that no text can surprise: hashed words and pairs of words.

The words of a whole day are told apart in Arrow, each distinct word is hashed once, and a pair of words is hashed from
the two numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

if TYPE_CHECKING:
    import pyarrow as pa

BUCKETS: Final = 1 << 14
DENSE: Final = 4
WIDTH: Final = BUCKETS + DENSE
"""Columns: hashed words, then 1, ln(1 + words of the response), ln(1 + words of the request), ln(1 + turns before)."""
_GAPS: Final = r"([^\pL\pN'\s])"
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_PAIR: Final = np.uint64(0xC2B2AE3D27D4EB4F)


class _Turn(msgspec.Struct):
    content: str


def features(responses: pa.Table) -> csr_array:
    """What the models read of some responses.

    >>> import pyarrow as pa
    >>> told = '[{"role": "user", "content": "Hello you"}]'
    >>> row = features(pa.table({"conversation": [told], "response": ["Hi, friend"]}))
    >>> row.shape, [round(float(x), 2) for x in row[[0], BUCKETS:].toarray()[0]]
    ((1, 16388), [1.0, 1.39, 1.1, 0.0])

    Args:
        responses: conversation (JSON: turns with their content) and response, strings without nulls.

    Returns:
        float32[n, WIDTH]; a word or pair that occurs in a text counts once.
    """
    import pyarrow as pa

    decoder = msgspec.json.Decoder(list[_Turn])
    turns = [decoder.decode(text) for text in responses["conversation"].to_pylist()]
    requests = pa.array([told[-1].content if told else "" for told in turns], pa.string())
    before = np.array([max(len(told) - 1, 0) for told in turns], np.float32)
    said, said_words = _hashed(responses["response"], salt=1)
    asked, asked_words = _hashed(requests, salt=2)
    words = said + asked
    words.data = np.ones_like(words.data)
    dense = np.column_stack([np.ones_like(before), np.log1p(said_words), np.log1p(asked_words), np.log1p(before)])
    return csr_array(hstack([words, csr_array(dense.astype(np.float32))], format="csr"))


def _hashed(texts: pa.Array | pa.ChunkedArray, salt: int) -> tuple[csr_array, NDArray[np.int64]]:
    """Words and neighbouring pairs of each text by bucket, float32[n, BUCKETS], and how many words it has, int64[n]."""
    words, lengths = _words(texts)
    ends = np.cumsum(lengths)
    row = np.repeat(np.arange(len(lengths)), lengths)
    inside = np.ones(len(words), bool)
    inside[ends[lengths > 0] - 1] = False  # a text's last word has no next one
    first = np.flatnonzero(inside)
    pairs = words[first] * _PAIR + words[first + 1] if len(first) else words[:0]
    buckets = ((np.concatenate([words, pairs]) + np.uint64(salt)) * _SPREAD) >> np.uint64(64 - 14)
    rows = np.concatenate([row, row[first]])
    ones = np.ones(len(rows), np.float32)
    return csr_array((ones, (rows, buckets.astype(np.int64))), (len(lengths), BUCKETS)), lengths


def _words(texts: pa.Array | pa.ChunkedArray) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The hash of every word in order, and how many words each text has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    apart = pc.replace_substring_regex(pc.utf8_lower(texts), _GAPS, r" \1 ")
    lists = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(apart))
    lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    coded = lists.flatten().dictionary_encode()
    known = np.array([crc32(word.encode()) for word in coded.dictionary.to_pylist()], np.uint64)
    return known[coded.indices.to_numpy(zero_copy_only=False)] if len(known) else known, lengths
