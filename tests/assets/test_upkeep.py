"""The nightly job and the command, on a warehouse file."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.asset import RECIPES, RunResource
from assets.cli import group
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


def test_the_command_says_what_it_would_do_and_does_it(tmp_path: Path) -> None:
    import warehouse

    warehouse.open(tmp_path / "w.duckdb").migrate()
    command = ["warehouse", "compact", "--warehouse", str(tmp_path / "w.duckdb")]
    planned = CliRunner().invoke(group, [*command, "--dry-run"])
    done = CliRunner().invoke(group, [*command, "--purge"])
    assert [planned.exit_code, done.exit_code] == [0, 0], (planned.output, done.output)
    assert "before: 1 file" in planned.output
    with warehouse.open(tmp_path / "w.duckdb").read() as reader:
        assert reader.execute("SELECT kind FROM upkeep").fetchall() == [("purge",)]


def test_a_lake_is_passed_on_as_it_is_named_and_errors_hide_its_password() -> None:
    target = "ducklake:postgres:dbname=lake host=127.0.0.1 port=1 password=hush;data=/tmp/none"
    failed = CliRunner().invoke(group, ["warehouse", "status"], env={"LOVELOOP_WAREHOUSE": target})
    assert "does not answer" in str(failed.exception)
    assert "password=***;data=/tmp/none" in str(failed.exception)
    assert "hush" not in str(failed.exception)
