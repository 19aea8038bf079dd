"""A person at the chat page, in Chromium, before all that `loveloop chat` brings up; then the rows are looked at."""

import json
from pathlib import Path
from typing import Any

import pytest

from assets.experiment import bundles
from assets.run import Run
from tests.assets.test_chat import running, until
from tests.streams.gateway.conftest import fetch, kept  # noqa: F401  (fixtures of axe)
from tests.streams.gateway.page.conftest import axe, browser, tab  # noqa: F401  (fixtures)
from tests.streams.gateway.page.test_accessibility import violations

LOVE = "[data-reaction=love]"
CHANGES = "SELECT action FROM reactions WHERE reaction = 'love' ORDER BY reacted_at"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_person_types_reads_loves_and_takes_back_is_in_the_warehouse(
    tiny_run: Run,
    tab: Any,  # noqa: F811
    axe: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    with running(tiny_run.directory, tmp_path / "chat") as chat:
        page = tab(f"http://{chat.address}")
        page.open()
        page.ask("How do I keep basil alive?")
        said = page.run("document.querySelector('.reply .text').textContent")
        page.click(LOVE)
        page.until("document.querySelector('#hearts').textContent === '1 heart given'")
        page.press("u")
        page.until("document.querySelector('#hearts').textContent === '0 hearts given'")
        page.click(LOVE)
        until(lambda: [each for (each,) in chat.stored(CHANGES)] == ["added", "removed", "added"])
        page.reload()
        assert page.pressed() == ["love"]
        assert page.run("document.querySelector('.reply .text').textContent") == said
        for theme in ("light", "dark"):
            page.media(prefers_color_scheme=theme)
            assert violations(page, axe) == []
        (row,) = chat.stored("SELECT user_id, experiment, policy, response, conversation FROM responses")
        assert row[0] == page.visitor()
        assert row[1] == f"ab-{tiny_run.recorded('candidate')['name']}"
        assert row[3] == said != ""
        assert [each["content"] for each in json.loads(row[4])] == ["How do I keep basil alive?"]
        assert chat.stored("SELECT count(*) FROM waiting_reactions") == [(0,)]
        _served_as_staged(tiny_run, chat)
        _seen_by_operators(page)


def _served_as_staged(run: Run, chat: Any) -> None:
    """The candidate's server tells the digest of the folder that was staged, and draws by its settings."""
    place = run.place("candidate")
    listed = {each["id"]: each["loveloop"] for each in chat.ask("/v1/models")["data"]}
    told = listed[place.name]
    assert told["served"] == told["digest"] == bundles.digest(place)
    assert chat.ask("/health")["held_back"] == {}
    commands = [each.cmdline() for each in chat.process.children(recursive=True) if "serve" in each.cmdline()]
    assert len(commands) >= 2
    for command in commands:  # the incumbent's, too: both were compared offline by these settings
        assert command[command.index("--temperature") + 1] == "1.0"
        assert command[command.index("--max-tokens") + 1] == "48"


def _seen_by_operators(page: Any) -> None:
    page.open("/operator")
    page.until("document.querySelector('#sink-figures').children.length > 0")
    said = "document.querySelector('#status').innerText"
    for figure in ("Dead letters", "Messages to be read", "Reactions that wait for their response"):
        page.until(f"/{figure}\\s+0/.test({said})")
