"""What a recipe needs is looked for before the first stage, and everything that is missing is said at once."""

from pathlib import Path

import pytest

from assets import preflight
from assets.pipeline import follow, prepare
from assets.run import Run
from warehouse import connection


def live(tmp_path: Path, text: str = "") -> Run:
    recipe = tmp_path / "live.toml"
    recipe.write_text(f'source = "warehouse"\n{text}')
    return prepare(tmp_path / "runs" / "live", recipe, None, tmp_path / "warehouse.duckdb")


def test_a_warehouse_that_is_not_there_is_said_before_anything_runs(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ValueError, match=r"this recipe cannot run yet:\n  - .*warehouse\.duckdb"):
        follow(live(tmp_path), say=lambda line: said.append(str(line)))
    assert said == []


def test_too_little_feedback_is_counted(tmp_path: Path) -> None:
    run = live(tmp_path)
    connection.open(run.warehouse).migrate()
    with pytest.raises(ValueError, match="holds 0 responses") as error:
        preflight.check(run)
    assert "0 loves that count, where P[Love] needs 30" in str(error.value)
    assert "helpfulness.labels is 'reactions', and the log holds 0 up (love or like) and 0 down" in str(error.value)


def test_every_missing_input_is_named_with_the_way_out(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    text = f"""
    [incumbent]
    base = "{missing}"
    [safety]
    labels = "labels.parquet"
    """
    run = live(tmp_path, text)
    connection.open(run.warehouse).migrate()
    with pytest.raises(ValueError, match="cannot run yet") as error:
        preflight.check(run)
    assert f"incumbent.base is {missing}, where no model lies" in str(error.value)
    assert "safety.labels is 'labels.parquet': no such file; give a labels file" in str(error.value)


def test_the_environment_s_warehouse_goes_before_the_recipe_s_and_the_default_is_the_command_line_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "warehouse"\nwarehouse = "here.duckdb"\n')
    monkeypatch.chdir(tmp_path)
    assert prepare(tmp_path / "a", recipe, None).warehouse == str(tmp_path / "here.duckdb")
    assert prepare(tmp_path / "a", recipe, None, "there.duckdb").warehouse == str(tmp_path / "there.duckdb")
    recipe.write_text('source = "warehouse"\n')
    assert prepare(tmp_path / "a", recipe, None).warehouse == str(tmp_path / "data" / "warehouse.duckdb")


def test_a_live_warehouse_is_no_matter_of_a_simulated_world(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('source = "world"\n')
    run = prepare(tmp_path / "a", recipe, None, "product.duckdb")
    assert run.warehouse == run.own_warehouse
