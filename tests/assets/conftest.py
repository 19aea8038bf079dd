"""One tiny run of the whole loop for every test that wants a finished one; whoever changes it works on a copy."""

from pathlib import Path

import pytest

from assets.pipeline import follow, prepare
from assets.run import Run

TINY = Path(__file__).with_name("tiny.toml")


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of tiny.toml: real broker, real training."""
    made = prepare(tmp_path_factory.mktemp("runs") / "tiny", TINY, None)
    follow(made, say=print)
    return made
