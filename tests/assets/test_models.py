"""`loveloop models`, on directories as trainings leave them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets.cli import group
from training.reward import registry

FIGURES = ("auroc", "pr_auc", "brier", "ece_before", "ece_after", "length_rho")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(group, ["models", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models' files, without weights."""
    for name, auroc in (("one", 0.7), ("two", 0.75)):
        place = tmp_path / "runs" / name
        place.mkdir(parents=True)
        measured = dict.fromkeys(FIGURES, auroc) | {f"{key}_ci": [auroc - 0.05, auroc + 0.05] for key in FIGURES}
        facts = {
            "name": name,
            "rows": {"train": 1_000, "test": 234},
            "positives": {"train": 10, "test": 2},
            "measured": measured,
            "audit": {
                "results": [{"finding": "ranking", "state": "passed", "blocks": True, "words": "AUROC above .5"}]
            },
            "lineage": {"training_set": f"set-{name}", "command": "loveloop run --recipe demo.toml"},
            "tested": "tested on 234 rows",
        }
        (place / "metrics.json").write_text(json.dumps(facts))
        (place / "calibration.json").write_text("{}")
        registry.write_manifest(place)
    return tmp_path / "runs"


def test_the_list_names_every_model_with_its_figures(folder: Path) -> None:
    told = run("list", folder).output
    assert "AUROC [95 % over users]" in told
    for name, figure in (("one", "0.700 [0.650, 0.750]"), ("two", "0.750 [0.700, 0.800]")):
        (line,) = [each for each in told.splitlines() if each.startswith(str(folder / name))]
        assert f"1,234  {figure}" in line
        assert line.endswith("passed")
    found = json.loads(run("list", folder, "--json").output)
    assert [each["name"] for each in found] == ["one", "two"]
    assert found[0]["auroc_ci"] == pytest.approx([0.65, 0.75])


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert run("list", tmp_path).output == f"no reward model lies below {tmp_path}\n"


def test_a_model_whose_notes_cannot_be_read_hides_no_other(folder: Path) -> None:
    (folder / "one" / "manifest.json").write_text('{"made_at": "2026')
    told = run("list", folder)
    assert told.exit_code == 1
    assert str(folder / "two") in told.output
    assert f"left out: {folder / 'one' / 'manifest.json'} is no JSON" in told.output


def test_show_says_what_it_was_made_from_and_that_its_files_are_whole(folder: Path) -> None:
    told = run("show", folder / "one")
    assert told.exit_code == 0
    assert "training set set-one" in told.output
    assert "command      loveloop run --recipe demo.toml" in told.output
    assert "ranking: passed: AUROC above .5" in told.output
    assert "files        all as they were saved" in told.output


def test_show_tells_of_a_changed_file_and_fails(folder: Path) -> None:
    (folder / "one" / "calibration.json").write_text('{"scale": 2}')
    told = run("show", folder / "one")
    assert told.exit_code == 1
    assert "CHANGED: calibration.json has 12 bytes, was saved with 2" in told.output
    assert json.loads(run("show", folder / "one", "--json").output)["changed"]


def test_two_cards_side_by_side(folder: Path) -> None:
    told = run("compare", folder / "one", folder / "two").output
    (line,) = [each for each in told.splitlines() if each.startswith("auroc ")]
    assert line.split() == ["auroc", "0.700", "[0.650,", "0.750]", "0.750", "[0.700,", "0.800]", "+0.0500"]
    assert "training_set: set-one | set-two" in told
    assert "--on FILE scores the same rows with both" in told
    assert "give them, or leave it out" in run("compare", folder / "one", folder / "two", "--fresh").output
