"""Dagster's settings: on one machine and in the stack, they load, send nothing anywhere and find each other."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CODE_SERVER: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["dagster-code"]


def _read(name: str) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text())
    return settings


@pytest.mark.parametrize("name", ["dagster.yaml", "dagster.compose.yaml"])
def test_telemetry_is_off(name: str) -> None:
    assert _read(name)["telemetry"] == {"enabled": False}


@pytest.mark.parametrize("name", ["dagster.yaml", "dagster.compose.yaml"])
def test_one_run_at_a_time_since_training_takes_every_core(name: str) -> None:
    assert _read(name)["concurrency"]["runs"]["max_concurrent_runs"] == 1


def test_the_stack_sets_every_variable_that_its_settings_read() -> None:
    database = _read("dagster.compose.yaml")["storage"]["postgres"]["postgres_db"]
    wanted = {value["env"] for value in database.values() if isinstance(value, dict)}
    assert wanted <= set(CODE_SERVER["environment"])


def test_files_of_dagster_lie_on_the_shared_volume() -> None:
    settings = _read("dagster.compose.yaml")
    parts = [settings["local_artifact_storage"], settings["compute_logs"]]
    assert all(part["config"]["base_dir"].startswith("/data/") for part in parts)


def test_the_workspace_names_the_code_server() -> None:
    (location,) = _read("workspace.yaml")["load_from"]
    assert location["grpc_server"]["host"] == "dagster-code"
    assert CODE_SERVER["command"][-2:] == ["--port", str(location["grpc_server"]["port"])]


def test_dagster_and_dg_find_the_same_definitions() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["dagster"]["module_name"] == tools["dg"]["project"]["code_location_target_module"]


@pytest.mark.slow
def test_dagster_finds_the_definitions_without_arguments(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from dagster._cli import main; main()", "definitions", "validate"]
    environment = os.environ | {"LOVELOOP_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert "Validation successful for code location loveloop" in done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.slow
def test_dagster_accepts_the_settings_of_one_machine(tmp_path: Path) -> None:
    from dagster import DagsterInstance

    (tmp_path / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.telemetry_enabled is False
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 1


@pytest.mark.slow
def test_dagster_accepts_the_settings_of_the_stack() -> None:
    from dagster._core.instance.config import dagster_instance_config

    settings, _ = dagster_instance_config(str(DEPLOY), config_filename="dagster.compose.yaml")
    assert settings["compute_logs"]["class"] == "LocalComputeLogManager"


@pytest.mark.slow
def test_the_database_driver_that_the_stack_asks_for_is_installed() -> None:
    from dagster_postgres.utils import create_pg_engine, pg_url_from_config

    database = _read("dagster.compose.yaml")["storage"]["postgres"]["postgres_db"]
    told = {key: value["env"] if isinstance(value, dict) else value for key, value in database.items()}
    engine = create_pg_engine(pg_url_from_config({"postgres_db": told}))
    assert engine.dialect.driver == "psycopg2"
