from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from warehouse import training_set
from warehouse.erased_sets import clear, current, sets_under, without
from warehouse.training_set import ErasedTrainingSetError


@pytest.fixture
def made(feed: Any, product: Any, tmp_path: Path) -> Path:
    """A set of three rows, two of them loved."""
    feed.pour(*(product.served(f"r{n}", f"u{n}", product.noon + timedelta(minutes=n)) for n in range(3)))
    feed.pour(product.reacted("r0", "u0"), product.reacted("r1", "u1"))
    return tmp_path / "sets" / training_set.build(feed.warehouse.target, tmp_path / "sets").hash[:12]


def test_a_set_without_a_user_says_which_one_it_replaces_and_can_be_cut_again(made: Path) -> None:
    old = training_set.Manifest.read(made)
    first = without(made, pa.array([True, False, False]))
    assert first is not None
    assert (first.rows, first.positives, first.replaces, first.as_of) == (2, 1, (old.hash,), old.as_of)
    assert training_set.load(current(made))["user_id"].to_pylist() == ["u1", "u2"]
    second = without(current(made), pa.array([False, True]))
    assert second is not None
    assert second.replaces == (old.hash, first.hash)
    assert training_set.load(current(made))["user_id"].to_pylist() == ["u1"]
    assert len(sets_under(made.parent)) == 3


def test_where_no_love_is_left_the_set_goes_without_a_replacement(made: Path) -> None:
    assert without(made, pa.array([True, True, False])) is None
    with pytest.raises(ErasedTrainingSetError, match="nothing was left of it; build another one") as error:
        training_set.load(made)
    assert error.value.replacement is None
    with pytest.raises(ErasedTrainingSetError):
        current(made)


def test_a_set_whose_erasure_was_interrupted_does_not_open_and_can_be_cleared(made: Path) -> None:
    (made / "ERASED.json").write_text('{"replaced_by": "0123456789ab"}')
    with pytest.raises(ErasedTrainingSetError, match=r"use .*0123456789ab"):
        training_set.load(made)
    clear(made)
    assert [file.name for file in made.iterdir()] == ["ERASED.json"]


@pytest.mark.slow
def test_the_rows_of_an_erased_set_cannot_be_frozen_again(feed: Any, made: Path) -> None:
    without(made, pa.array([True, False, False]))
    with pytest.raises(ErasedTrainingSetError, match="it held a user who asked to be forgotten"):
        training_set.build(feed.warehouse.target, made.parent)
