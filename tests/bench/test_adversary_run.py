"""The adversary benchmark from simulated people to figures and pictures, on a small world."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from streams.synthetic.shares import AttackShare
from warehouse import connection

if TYPE_CHECKING:
    from adversary_parts.worlds import Seed

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> "Seed":
    """A prepared seed: people alone, and burst bots at a fifth of all loves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        from adversary_parts.cells import Cell
        from adversary_parts.worlds import Seed, Size

        size = Size(responses=3_000, users=250, days=3, base_love_rate=0.02, later=2_000, probes=40, draws=2)
        one = Seed(1, tmp_path_factory.mktemp("adversary") / "seed-1", size)
        one.prepare([Cell("none", ()), Cell("burst_bots-0.2", (AttackShare(name="burst_bots", share=0.2),))])
    return one


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


@pytest.mark.slow
def test_worlds_are_judged_day_by_day_and_their_figures_are_drawn(seed: "Seed", tmp_path: Path) -> None:
    from adversary_parts import cells, pictures, report, words
    from adversary_parts.one_cell import measure

    every = cells.cells(("none", "burst_bots"), (0.2,))
    done = [measure(seed, cell, honest_loss=0.01) for cell in every]
    found = report.summary(done, {1: seed.clean()})
    assert 0 <= found["recall"]["burst_bots"] <= 1
    assert done[1]["attacks"]["burst_bots"]["loves"] > 10
    assert done[1]["honest"]["loves"] == done[0]["honest"]["loves"]
    bots = done[1]["learning"]["open"]["chance"]["burst_bots"]
    assert bots > seed.clean()[0]["chance"]["burst_bots"]
    assert "burst_bots" in "\n".join(words.lines(found))
    pictures.recall(found, tmp_path / "recall.png")
    pictures.shift(found, tmp_path / "shift.png")
    assert (tmp_path / "recall.png").stat().st_size > 5_000
    assert json.loads(json.dumps(found)) == found
    assert not list(seed.folder.glob("burst_bots*.duckdb"))


@pytest.mark.slow
def test_a_world_that_was_measured_is_only_read_again(seed: "Seed") -> None:
    from adversary_parts.cells import cells
    from adversary_parts.one_cell import measure

    (cell,) = cells(("none",))
    first = measure(seed, cell, honest_loss=0.01)
    kept = seed.folder / "cells" / "none.json"
    kept.write_text(json.dumps(first | {"seed": 99}))
    assert measure(seed, cell, honest_loss=0.01)["seed"] == 99
    kept.unlink()


@pytest.mark.slow
def test_storing_the_whole_stream_before_the_first_daily_run_changes_no_flag(seed: "Seed", tmp_path: Path) -> None:
    """In production the lines of a day come before its job and those of the next day after it."""
    from adversary_parts import one_cell
    from adversary_parts.cells import cells
    from stored import store

    from training.trust import CrossFit
    from warehouse.adversary.daily import periodic

    (cell,) = cells(("burst_bots",), (0.2,))
    parts = one_cell.prepare(seed, cell, tmp_path / "at_once.duckdb")
    one_cell.judge_days(seed, tmp_path / "at_once.duckdb", parts, 0.01)
    lines = [line for part in parts for line in (part / "events.ndjson").read_bytes().splitlines()]
    for number, (day, own) in enumerate(by_day(lines)):
        (tmp_path / "day.ndjson").write_bytes(b"".join(line + b"\n" for line in own))
        store(tmp_path / "day.ndjson", tmp_path / "by_day.duckdb", seed.config.ends_at, partition=number)
        periodic.run(tmp_path / "by_day.duckdb", CrossFit.load, until=day, honest_loss=0.01)
    assert flags(tmp_path / "by_day.duckdb") == flags(tmp_path / "at_once.duckdb")


def by_day(lines: list[bytes]) -> Any:
    """Lines by the day of the response or reaction that they tell; spoilt ones are left out."""
    days: dict[Any, list[bytes]] = {}
    for line in lines:
        try:
            event = json.loads(line)
            day = np.datetime64((event.get("served_at") or event["reacted_at"])[:10]).astype(object)
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
        if day.year == 2026:
            days.setdefault(day, []).append(line)
    return sorted(days.items())


def flags(warehouse: Path) -> list[tuple[Any, ...]]:
    with connection.open(warehouse).read() as reader:
        found: list[tuple[Any, ...]] = reader.execute(
            """SELECT source, rule, subject, user_id, CAST(event_id AS VARCHAR), round(score, 6), flagged_at, since
            FROM flags ORDER BY ALL"""
        ).fetchall()
    return found
