"""Kept files that are damaged: dropped and told, or named where only a person can decide."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from training.disk import check_writable, kept, read_report


class Report(BaseModel):
    """Beside some weights."""

    key: str


def test_a_file_that_is_whole_is_read_and_one_that_is_not_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("tea")
    assert kept(tmp_path / "file", Path.read_text, "a drink") == "tea"
    assert kept(tmp_path / "none", Path.read_text, "a drink") is None


@pytest.mark.parametrize("error", [ValueError("cut short"), EOFError(), KeyError(5), RuntimeError("zip"), OSError("x")])
def test_a_damaged_file_is_dropped_and_told(
    error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Path) -> str:
        raise error

    file = tmp_path / "file"
    file.write_text("junk")
    assert kept(file, broken, "the state") is None
    assert not file.exists()
    assert f"the state in {file} is damaged (" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_not_dropped(tmp_path: Path) -> None:
    def closed(_: Path) -> str:
        raise PermissionError("no")

    (tmp_path / "file").write_text("tea")
    with pytest.raises(PermissionError):
        kept(tmp_path / "file", closed, "a drink")
    assert (tmp_path / "file").exists()


def test_a_damaged_report_is_left_for_a_person_to_decide(tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    assert read_report(file, Report) is None
    file.write_text('{"key": "a"}')
    assert read_report(file, Report) == Report(key="a")
    file.write_text('{"key')
    with pytest.raises(ValueError, match=r"policy\.json is damaged \(Invalid JSON.* put it back, or remove"):
        read_report(file, Report)
    assert file.exists()


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("tea")
    for place in (tmp_path / "file" / "model", Path("/proc/nowhere/model")):
        with pytest.raises(OSError, match=rf"{place} cannot be written \(.*\): give a place that is no file's"):
            check_writable(place)
    check_writable(tmp_path / "deep" / "model")
    assert [*(tmp_path / "deep").iterdir()] == []
