"""The house rules that a linter cannot see: light modules stay light, the command loads only what it needs, no class
name stands twice, and no module is called by a word that CONTRIBUTING.md has a better one for.
"""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "torch",
    "transformers",
    "dagster",
    "faust",
    "kafka",
    "duckdb",
    "matplotlib",
    "sklearn",
    "scipy",
    "pyarrow",
    "uvicorn",
    "starlette",
)

PACKAGES = ("assets", "experiments", "stats", "streams", "training", "warehouse")
NO_MODULE = {  # riddles that were mended, and what is no noun
    "asked", "beyond_doubt", "breaking", "caught", "forgetting", "found", "keeper", "lean_records", "learn",
    "learnt", "left_out", "lending", "meanings", "misc", "past", "patience", "placing", "room", "speaker", "staying",
    "touched", "utils", "helpers", "common", "undoing", "waiting",
}  # fmt: skip


def modules() -> list[Path]:
    """Every module of the product."""
    return [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.slow
def test_no_class_name_stands_twice_in_the_product() -> None:
    places = defaultdict(list)
    for file in modules():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert len(places) > 300
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_module_is_called_by_a_word_that_has_a_better_one() -> None:
    assert [str(file.relative_to(ROOT)) for file in modules() if file.stem in NO_MODULE] == []


def loaded_by(statement: str) -> set[str]:
    """The heavy packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(shown.stdout.split())


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import streams.events", set()),
        ("import streams.drafts", set()),
        ("import streams.collector", set()),
        ("import streams.wire", set()),
        ("import streams.topics", set()),
        ("import streams.fixtures", set()),
        ("import assets.cli", set()),
        ("import assets.recipe", set()),
        ("import streams.assignment", set()),
    ],
)
def test_a_light_module_loads_no_heavy_package(statement: str, allowed: set[str]) -> None:
    assert loaded_by(statement) <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("package", ["warehouse.connection", "experiments.readout"])
def test_storage_and_statistics_load_neither_torch_nor_dagster(package: str) -> None:
    assert not loaded_by(f"import {package}") & {"torch", "transformers", "dagster", "faust"}


def test_the_help_of_the_command_loads_no_command() -> None:
    statement = "import sys; sys.argv = ['loveloop', '--help']\nfrom assets.cli import main\nmain()\nprint()"
    code = f"{statement}\nimport sys\nprint('loaded:', *[name for name in sys.modules if name.startswith('assets.')])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "loaded: assets.cli"


def test_every_command_explains_itself() -> None:
    import click

    from assets.cli import COMMANDS, group

    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        for each in [command, *(command.commands.values() if isinstance(command, click.Group) else ())]:
            assert each.help, each.name
            assert "\\b" not in each.help, each.name
            assert all(option.help for option in each.params if isinstance(option, click.Option)), each.name
