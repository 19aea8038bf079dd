"""The nightly job, on a warehouse file."""

from pathlib import Path

import pytest

from assets.asset import RECIPES, RunResource
from assets.definitions import build

TINY = Path(__file__).with_name("tiny.toml")


@pytest.mark.slow
def test_the_job_compacts_the_runs_warehouse(tmp_path: Path) -> None:
    import warehouse

    made = warehouse.open(tmp_path / "run" / "warehouse.duckdb")
    made.migrate()
    definitions = build(RunResource(directory=str(tmp_path / "run"), recipe_file=str(TINY)))
    done = definitions.resolve_job_def("warehouse_upkeep").execute_in_process()
    assert done.success
    with made.read() as reader:
        assert reader.execute("SELECT kind FROM upkeep").fetchall() == [("compact",)]


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "status"), [("live.toml", "RUNNING"), ("demo.toml", "STOPPED")])
def test_a_live_warehouse_is_compacted_every_night_and_a_run_only_if_asked(
    recipe: str, status: str, tmp_path: Path
) -> None:
    definitions = build(RunResource(directory=str(tmp_path), recipe_file=str(RECIPES / recipe)))
    schedule = definitions.resolve_schedule_def("nightly_upkeep")
    assert schedule.cron_schedule == "30 3 * * *"
    assert schedule.default_status.name == status
