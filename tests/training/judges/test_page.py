"""docs/judges.md is true: every example in it comes out as it says, every judge and setting is in it."""

import re
from pathlib import Path

import pytest

from training.judges.library import build, find, names, settings_of

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "judges.md").read_text()
ROWS = re.findall(
    r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.*?) ?\|$", PAGE.split("## What they are worth")[0], flags=re.MULTILINE
)


@pytest.mark.parametrize(("name", "message", "response", "repaired"), ROWS)
def test_an_example_of_the_page(name: str, message: str, response: str, repaired: str) -> None:
    verdict = build(name)([{"role": "user", "content": message}], response)
    assert verdict.violates
    assert (verdict.repaired or "") == repaired


def test_the_page_names_every_judge_and_every_setting() -> None:
    assert len(ROWS) >= 10
    for name in names():
        assert f"`{name}`" in PAGE
        assert [each for each in settings_of(find(name)).model_fields if each not in PAGE] == [], name


def test_the_page_s_own_judge_runs() -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "no_prices" in block)
    space: dict[str, object] = {}
    exec(code, space)
    judge = space["no_prices"]
    assert callable(judge)
    assert judge([], "It costs $5.").span == (9, 10)
    assert not judge([], "It is free.").violates
