import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from streams.synthetic.config import Amounts, Experiment, WorldConfig
from streams.synthetic.shares import NAMES
from streams.synthetic.text import INCUMBENT
from streams.synthetic.world import simulate

FLATTERING = Experiment(name="flattering", treatment=INCUMBENT._replace(flatters=0.5))


class World(NamedTuple):
    """A world on disk, read back."""

    config: WorldConfig
    amounts: Amounts
    lines: list[bytes]
    truth: dict[str, list[dict[str, Any]]]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Each event once."""
        return [*{event["event_id"]: event for event in map(json.loads, self.lines)}.values()]


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., World]:
    """Simulate a small world with many loves, and read it back."""

    def simulated(**changes: Any) -> World:
        out: Path = tmp_path_factory.mktemp("world")
        defaults = {"responses": 2_500, "users": 160, "days": 6, "base_love_rate": 0.1, "malformed": 0.0}
        config = WorldConfig.small(**(defaults | {"experiment": FLATTERING} | changes))
        amounts = simulate(config, out)
        tables = {path.stem: pq.read_table(path).to_pylist() for path in (out / "truth").glob("*.parquet")}
        told = {"attacks": json.loads((out / "truth" / "attacks.json").read_text())}
        return World(config, amounts, (out / "events.ndjson").read_bytes().splitlines(), tables | told)

    return simulated


@pytest.fixture(scope="session")
def peaceful(live: Callable[..., World]) -> World:
    """Nobody plays foul."""
    return live()


@pytest.fixture(scope="session")
def attacked(live: Callable[..., World]) -> World:
    """The same world under all attacks at once."""
    return live(attacks=dict.fromkeys(NAMES, 0.06))
