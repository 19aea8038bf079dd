import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from streams.fixtures import Worlds
from streams.synthetic.config import Amounts, Experiment, WorldConfig
from streams.synthetic.language.text import INCUMBENT
from streams.synthetic.shares import NAMES

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
def live(loveloop_world: Worlds) -> Callable[..., World]:
    """A small world with many loves, read back."""

    def simulated(**changes: Any) -> World:
        defaults = {"responses": 2_500, "users": 160, "days": 6, "base_love_rate": 0.1, "malformed": 0.0}
        made = loveloop_world(**(defaults | {"experiment": FLATTERING} | changes))
        tables = {name: made.truth(name).to_pylist() for name in ("users", "responses", "loves")}
        told = {"attacks": json.loads((made.out / "truth" / "attacks.json").read_text())}
        return World(made.config, made.amounts, made.lines(), tables | told)

    return simulated


@pytest.fixture(scope="session")
def peaceful(live: Callable[..., World]) -> World:
    """Nobody plays foul."""
    return live()


@pytest.fixture(scope="session")
def attacked(live: Callable[..., World]) -> World:
    """The same world under all attacks at once."""
    return live(attacks=dict.fromkeys(NAMES, 0.06))
