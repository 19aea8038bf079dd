"""Moments of the world as milliseconds since 1970, and the ids that are made of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: int) -> datetime:
    """The moment that many milliseconds after 1970.

    >>> moment(1_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(at: datetime) -> int:
    """Milliseconds from 1970 to a moment."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def event_ids(rng: np.random.Generator, at: NDArray[np.int64]) -> list[str]:
    """A UUIDv7 for each of these moments (milliseconds since 1970); the same as `streams.events.new_event_id`, sooner.

    >>> event_ids(np.random.default_rng(1), np.array([1_767_225_600_000]))[0][:15]
    '019b76da-a800-7'
    """
    count = len(at)
    words = np.empty((count, 2), ">u8")
    chance = rng.integers(0, 2**62, size=(count, 2))
    words[:, 0] = (at << 16) | (7 << 12) | (chance[:, 0] & 0xFFF)
    words[:, 1] = chance[:, 1].astype(np.uint64) | np.uint64(1 << 63)
    hexed = words.tobytes().hex()
    whole = [hexed[place : place + 32] for place in range(0, 32 * count, 32)]
    return [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in whole]


def names_of(rng: np.random.Generator, at: NDArray[np.int64]) -> list[str]:
    """Names of responses served at these moments (milliseconds since 1970): time first, then 40 random bits.

    They sort by time and say nothing about who was served.
    """
    tails = rng.integers(0, 2**40, size=len(at))
    return [f"r{moment:011x}{tail:010x}" for moment, tail in zip(at.tolist(), tails.tolist(), strict=True)]
