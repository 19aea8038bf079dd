"""`loveloop experiment start|ramp|rollback` change who is served what by a gateway that runs, within seconds."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from assets.cli import group
from tests.streams.gateway.conftest import Desk, Opened, until
from tests.streams.gateway.test_routing import served

USERS = [f"person {number}" for number in range(24)]


def arms(desk: Desk) -> set[tuple[str, str | None]]:
    """Policies and arms that the users are served."""
    return {(policy, arm) for policy, _, arm in (served(desk, user) for user in USERS)}


@pytest.mark.slow
def test_a_start_a_ramp_and_a_rollback_are_followed_without_a_restart(opened: Opened, tmp_path: Path) -> None:
    def loveloop(*words: Any) -> None:
        done = CliRunner().invoke(group, [*map(str, words), "--warehouse", str(tmp_path / "warehouse.duckdb")])
        assert done.exit_code == 0, f"{done.output} {done.exception!r}"

    with opened() as desk:
        routes, nobody = ("--routes", desk.folder / "routes.json"), {("v7", None)}
        loveloop("warehouse", "migrate")
        loveloop("experiment", "plan", "warmer")
        assert arms(desk) == nobody
        bundles = ("--bundle", "control=v7", "--bundle", "treatment=v8")
        loveloop("experiment", "start", "warmer", *bundles, "--coverage", "0.3", *routes)
        some = until(lambda: (found := arms(desk)) != nobody and found, 8)
        assert ("v7", None) in some
        loveloop("experiment", "ramp", "warmer", "--to", "0.5", *routes)
        everybody = {("v7", "control"), ("v8", "treatment")}
        until(lambda: arms(desk) == everybody, 8)
        loveloop("experiment", "rollback", "warmer", "--why", "tone", *routes)
        until(lambda: arms(desk) == nobody, 8)
