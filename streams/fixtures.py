"""Small worlds for anybody's tests: a pytest plugin, at hand wherever loveloop is installed.

    def test_no_love_is_counted_twice(loveloop_world):
        world = loveloop_world(responses=500, attacks={"burst_bots": 0.2})
        assert count_loves(world.events) == world.amounts.honest_loves + world.amounts.attack_loves["burst_bots"]

The module stands outside `streams.synthetic` and imports that late: pytest loads it at every start.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    import pyarrow as pa

    from streams.synthetic import Amounts, WorldConfig


class SimulatedWorld(NamedTuple):
    """A simulated stream on disk. Tests share it: read it, do not write there.

    Attributes:
        config: What was asked for.
        out: The directory that `simulate` wrote; see docs/world.md.
        amounts: What was put in.
    """

    config: "WorldConfig"
    out: Path
    amounts: "Amounts"

    @property
    def events(self) -> Path:
        """The file of event lines."""
        return self.out / "events.ndjson"

    def lines(self) -> list[bytes]:
        """The event lines, without their ends."""
        return self.events.read_bytes().split(b"\n")[:-1]

    def truth(self, name: str) -> "pa.Table":
        """The hidden truth about `users`, `responses` or `loves`."""
        import pyarrow.parquet as pq

        return pq.read_table(self.out / "truth" / f"{name}.parquet")


class Worlds:
    """Makes worlds, each once a session."""

    def __init__(self, paths: pytest.TempPathFactory) -> None:
        self._paths = paths
        self._made: dict[str, SimulatedWorld] = {}

    def __call__(self, config: "WorldConfig | None" = None, **changes: Any) -> SimulatedWorld:
        """A world as configured; without a config `WorldConfig.small(**changes)`: 2,000 responses in half a second."""
        from streams.synthetic import WorldConfig, simulate

        wanted = config or WorldConfig.small(**changes)
        name = wanted.model_dump_json()
        if name not in self._made:
            out = self._paths.mktemp("loveloop-world")
            self._made[name] = SimulatedWorld(wanted, out, simulate(wanted, out))
        return self._made[name]


@pytest.fixture(scope="session")
def loveloop_world(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    """A function that makes small synthetic worlds in temporary directories; the same config is simulated once."""
    return Worlds(tmp_path_factory)
