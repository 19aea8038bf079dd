"""A file is whole or as it was, and what a killed writer left does not pile up."""

from pathlib import Path

import pytest

from streams.whole_file import whole


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("before")
    with pytest.raises(UnicodeEncodeError), whole(file) as part:
        part.write_text("half a character: \ud800", "utf-8")
    assert (file.read_text(), names(tmp_path)) == ("before", ["state"])


def test_what_a_killed_writer_left_is_replaced_by_the_next(tmp_path: Path) -> None:
    file = tmp_path / "made" / "state"
    with whole(file) as left:
        left.write_text("first")
    left.write_text("half of a second")
    with whole(file) as part:
        assert (part, part.exists()) == (left, False)
        part.symlink_to("elsewhere")
    assert names(tmp_path / "made") == ["state"]
    assert file.is_symlink()


def test_writers_of_one_file_have_places_of_their_own(tmp_path: Path) -> None:
    with whole(tmp_path / "state", shared=True) as part:
        part.write_text("x")
        assert part.name not in ("state", "state.part")
    assert names(tmp_path) == ["state"]
