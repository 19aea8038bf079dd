"""The documents are true: commands in their sentences, make targets, links, anchors and citations lead somewhere."""

import doctest
import importlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click
import pytest

from assets.cli import COMMANDS, group
from assets.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PACKAGES = ("assets", "experiments", "stats", "streams", "training", "warehouse")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
EXAMPLES = [path for path in SOURCES if ">>> " in path.read_text()]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in EXAMPLES]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@cache
def prose(page: Path) -> str:
    """A page without its blocks of code; those of shell are tried in test_commands.py."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads)


@each_page
def test_every_command_in_the_page_s_sentences_exists_with_its_options(page: Path) -> None:
    context = click.Context(group)
    for text in re.findall(r"`(loveloop [^`\n]+)`", prose(page)):
        words = shlex.split(text)[1:]
        if words[0].startswith("-") or words[0].isupper():
            continue
        command = group.get_command(context, words[0])
        assert command is not None, text
        if isinstance(command, click.Group) and len(words) > 1 and not words[1].startswith("-"):
            command = command.get_command(context, words[1])
            assert command is not None, text
        known = {name for option in command.params for name in option.opts}
        assert {word for word in words if word.startswith("--")} - {"--help"} <= known, text


@each_page
def test_every_make_target_in_the_page_s_sentences_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)[^`]*`", prose(page)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


@each_page
def test_every_local_link_leads_to_a_page_and_a_heading_of_it(page: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!http)([^)#\s]*)(?:#([^)\s]+))?\)", prose(page)):
        to = (page.parent / link).resolve() if link else page
        assert to.exists(), link
        assert not anchor or anchor in anchors(to), f"{link}#{anchor}"


@each_page
def test_every_recipe_in_the_page_is_one(page: Path) -> None:
    for block in re.findall(r"^ *```toml\n(.*?)^ *```", page.read_text(), flags=re.DOTALL | re.MULTILINE):
        said = tomllib.loads(block)
        Recipe.model_validate({"source": "world" if "world" in said else "warehouse"} | said)


@pytest.mark.slow
def test_every_python_block_of_the_page_of_experiments_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "experiments.md").read_text()
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", page, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "experiments.md", "exec"), {})
    assert capsys.readouterr().out.startswith("continue ")


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_every_example_of_the_module_runs(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def cited() -> Iterator[tuple[Path, str, str]]:
    """Where code cites the manual: the file, the page, and the section or ''; `docs/method.md, 5 and 7` is two."""
    for path in [*SOURCES, *(ROOT / "deploy").rglob("*.toml"), *(ROOT / "bench").rglob("*.py")]:
        text = re.sub(r"\s+(?:# )?", " ", path.read_text())
        for page, sections in re.findall(r"\b((?:docs/)?[\w-]+\.md)\b((?:(?:,| and) \d+(?:\.\d+)*(?!\w))*)", text):
            if page.startswith("docs/") or sections:
                yield from ((path, page, each) for each in re.findall(r"\d+(?:\.\d+)*", sections) or [""])


def test_every_citation_of_the_manual_in_code_leads_to_a_page_and_its_section() -> None:
    found = list(cited())
    assert len(found) > 20
    assert {section for _, page, section in found if page == "docs/method.md"} >= {"3", "4", "5", "7", "7.4", "8"}
    for path, page, section in found:
        assert (ROOT / page).is_file(), f"{path} cites {page}"
        numbered = rf"^(#+ {re.escape(section)}\.? |- \*\*{re.escape(section)}\*\* )"
        assert not section or re.search(numbered, (ROOT / page).read_text(), flags=re.MULTILINE), f"{path}: {section}"


def test_the_code_that_the_method_and_contributing_name_is_there() -> None:
    for name in re.findall(r"`((?:training|experiments|stats)(?:\.\w+)+)`", prose(DOCS / "method.md")):
        module, _, last = name.rpartition(".")
        assert importlib.util.find_spec(name) if _is_module(name) else hasattr(importlib.import_module(module), last)
    page = re.sub(r"NAME|NNN_name", "*", prose(ROOT / "CONTRIBUTING.md"))
    for path in re.findall(
        r"`((?:stats|streams|warehouse|training|experiments|assets|tests|bench|docs)/[\w/.*-]+)`", page
    ):
        assert list(ROOT.glob(path)), path


def _is_module(name: str) -> bool:
    place = ROOT / name.replace(".", "/")
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_the_index_lists_every_page_and_the_page_of_commands_every_command() -> None:
    index = (DOCS / "README.md").read_text()
    assert [
        page.name for page in DOCS.glob("*.md") if page.name != "README.md" and f"]({page.name})" not in index
    ] == []
    commands = (DOCS / "commands.md").read_text()
    assert [name for name in COMMANDS if f"`loveloop {name}" not in commands] == []


def test_every_attack_stands_on_its_page_and_in_the_help() -> None:
    from streams.synthetic.shares import NAMES

    page, help_ = (DOCS / "attacks.md").read_text(), (ROOT / "assets" / "cli" / "world.py").read_text()
    assert [name for name in NAMES if f"`{name}`" not in page or name not in help_] == []


def test_the_readme_is_short_and_leads_to_the_manual() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 100
    assert "](docs/README.md)" in readme


def test_the_events_of_the_readme_keep_the_contract() -> None:
    from streams.events import decode

    lines = re.findall(r'^\{"type".*\}$', (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    decoded = [decode(line.encode(), received_at=datetime(2026, 12, 1, tzinfo=UTC)).event for line in lines]
    assert [type(event).__name__ for event in decoded] == ["ResponseServed", "ReactionChanged"]
