"""One tiny run of the whole loop for every test that wants a finished one; whoever changes it works on a copy."""

import fcntl
import os
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.pipeline import follow, prepare, reopen
from assets.run import Run

TINY = Path(__file__).with_name("tiny.toml")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of tiny.toml: real broker, real training. All processes of one test session share it."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own  # without xdist, the parent is every session's
    return reopen(made_once(shared / "tiny-run" / "tiny", _follow_all))


def _follow_all(place: Path) -> None:
    follow(prepare(place, TINY, None), say=print)


def made_once(place: Path, make: Callable[[Path], None]) -> Path:
    """A folder that the first process makes and others wait for.

    The folder is made where it stays, since a run's files may name it. A note beside it says how the making ended;
    where it is missing, its maker was killed, and the next one begins anew.

    Raises:
        RuntimeError: The making failed, in whichever process; with its traceback.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    note = place.with_name(f"{place.name}.ended")
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            shutil.rmtree(place, ignore_errors=True)
            try:
                make(place)
            except Exception:
                note.write_text(traceback.format_exc())
                raise
            note.touch()
    if failed := note.read_text():
        raise RuntimeError(f"{place} could not be made:\n{failed}")
    return place
