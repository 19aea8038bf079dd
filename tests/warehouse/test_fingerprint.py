"""Shuffle, duplicate, delay, replay and crash: the clean tables come out identical."""

import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse import connection
from warehouse.fingerprint import fingerprint, fingerprints

BROKEN = [b"{", b'{"type": "response_served"}']


def told(feed_type: type[Any], empty: Path, lines: Sequence[bytes], cuts: Sequence[int]) -> dict[str, str]:
    """Store lines, cut into batches, in a fresh warehouse."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(shutil.copy(empty, directory))
        feed = feed_type(connection.open(path))
        for first, last in zip([0, *cuts], [*cuts, len(lines)], strict=True):
            if first < last:  # a message without any line is a dead letter of its own
                feed.pour(b"\n".join(lines[first:last]))
        return fingerprints(path)


@pytest.fixture
def plain(feed_on: type[Any], product: Any, empty: Path) -> tuple[list[bytes], dict[str, str]]:
    """A short day, and the tables that it makes in one batch."""
    lines = [*product.day(users=3, turns=3), *BROKEN]
    return lines, told(feed_on, empty, lines, [])


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(seed=st.integers(0, 2**32), copies=st.floats(0, 1), batches=st.integers(1, 6))
def test_any_order_batching_and_copies_give_the_same_tables(
    seed: int,
    copies: float,
    batches: int,
    *,
    feed_on: type[Any],
    empty: Path,
    plain: tuple[list[bytes], dict[str, str]],
) -> None:
    lines, tables = plain
    draw = random.Random(seed)
    retold = lines + [line for line in lines if draw.random() < copies]
    draw.shuffle(retold)
    cuts = sorted(draw.sample(range(len(retold)), batches - 1))
    assert told(feed_on, empty, retold, cuts) == tables


@pytest.mark.slow
def test_a_replay_of_the_whole_log_changes_nothing(feed: Any, product: Any) -> None:
    lines = [*product.day(), *BROKEN]
    feed.pour(*lines)
    before = fingerprint(feed.warehouse.target)
    feed.topic_id, feed.positions = "second life", {}
    feed.pour(*lines)
    assert fingerprint(feed.warehouse.target) == before


@pytest.mark.slow
def test_one_changed_reaction_changes_the_fingerprint_and_shows_where(feed: Any, product: Any) -> None:
    feed.pour(product.served("r1"))
    before = fingerprints(feed.warehouse.target)
    feed.pour(product.reacted("r1"))
    after = fingerprints(feed.warehouse.target)
    assert {name for name in after if after[name] != before[name]} == {"reactions", "reaction_state", "clean_feedback"}
