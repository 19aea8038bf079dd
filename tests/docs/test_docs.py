"""The documents are true: every command in them exists with its options, every make target and link too."""

import doctest
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from assets.cli import COMMANDS, group

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("assets", "experiments", "streams", "training", "warehouse")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if ">>> " in path.read_text())
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCES]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands_in(page: Path) -> list[str]:
    """Every `loveloop ...` of a page, in code spans and code blocks."""
    text = page.read_text()
    spans = re.findall(r"`(loveloop [^`\n]+)`", text)
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return spans + [found for line in lines for found in re.findall(r"(?:^|\s)(loveloop .+)$", line)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_the_page_exists_with_its_options(page: Path) -> None:
    context = click.Context(group)
    for text in commands_in(page):
        words = shlex.split(text.rstrip(" &"))[1:]
        if words[0].startswith("-"):
            continue
        command = group.get_command(context, words[0])
        assert command is not None, text
        if isinstance(command, click.Group) and len(words) > 1:
            command = command.get_command(context, words[1])
            assert command is not None, text
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} - {"--help"} <= known, text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_of_the_page_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", page.read_text(), flags=re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, flags=re.MULTILINE), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_local_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("module", MODULES)
def test_every_example_of_the_module_runs(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in COMMANDS if f"`loveloop {name}" not in readme] == []


def test_the_events_of_the_readme_keep_the_contract() -> None:
    from datetime import UTC, datetime

    from streams.events import decode

    lines = re.findall(r'^\{"type".*\}$', (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    decoded = [decode(line.encode(), received_at=datetime(2026, 12, 1, tzinfo=UTC)).event for line in lines]
    assert [type(event).__name__ for event in decoded] == ["ResponseServed", "ReactionChanged"]
