"""The run that all processes of a session share: one makes it, and what went wrong there is told in each."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

Making = Callable[[Path], None]


@pytest.fixture(scope="module")
def made_once() -> Callable[[Path, Making], Path]:
    """The function of conftest.py, which no test can import by its name."""
    spec = importlib.util.spec_from_file_location("shared_run", Path(__file__).with_name("conftest.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Path, Making], Path] = module.made_once
    return found


def test_the_second_takes_what_the_first_made(made_once: Callable[[Path, Making], Path], tmp_path: Path) -> None:
    made: list[Path] = []

    def make(place: Path) -> None:
        place.mkdir()
        made.append(place)

    assert [made_once(tmp_path / "shared" / "run", make) for _ in range(2)] == [tmp_path / "shared" / "run"] * 2
    assert made == [tmp_path / "shared" / "run"]


def test_a_failure_of_the_maker_is_told_in_every_process(
    made_once: Callable[[Path, Making], Path], tmp_path: Path
) -> None:
    def fail(place: Path) -> None:
        place.mkdir()
        raise ValueError("no broker")

    with pytest.raises(ValueError, match="no broker"):
        made_once(tmp_path / "run", fail)
    with pytest.raises(RuntimeError, match=r"(?s)could not be made:.*ValueError: no broker"):
        made_once(tmp_path / "run", Path.mkdir)


def test_what_a_killed_maker_left_is_made_anew(made_once: Callable[[Path, Making], Path], tmp_path: Path) -> None:
    (tmp_path / "run" / "half").mkdir(parents=True)
    assert list(made_once(tmp_path / "run", Path.mkdir).iterdir()) == []
