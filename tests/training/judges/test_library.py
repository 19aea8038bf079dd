import functools
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from training.judges.library import build, find, names, settings_of, version, version_of
from training.judges.verdict import Verdict, judge_all
from training.text import Conversation

ASKED = [{"role": "user", "content": "What is tea?"}]
ROOT = Path(__file__).resolve().parents[3]
RULES = """
from rules_of_mine.words import PRICE
from training.judges import Verdict


def no_prices(conversation, response, *, sign: str = "$", most: int = 0):
    found = response.count(sign) > most or PRICE in response
    return Verdict(found, "names a price" if found else "")


def maker(*, sign: str):
    return lambda conversation, response: Verdict(sign in response, sign)


def odd(response):
    return Verdict(False)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A product's own package of rules on the path."""
    package = tmp_path / "rules_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "words.py").write_text('PRICE = "price"\n')
    (package / "rules.py").write_text(RULES)
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [each for each in sys.modules if each.startswith("rules_of_mine")]:
        del sys.modules[name]


def test_every_judge_of_the_library_says_how_it_is_set() -> None:
    assert set(names()) == {
        "classifier", "closing", "dictation", "emoji", "flattery", "instructions", "length", "llm", "phrases",
        "refusal", "repetition", "unsafe",
    }  # fmt: skip
    for name in names():
        function = find(name)
        assert function.__doc__
        assert all(each in function.__doc__ for each in settings_of(function).model_fields), name


@pytest.mark.parametrize(("name", "meant"), [("closng", "closing"), ("lenght", "length"), ("refusals", "refusal")])
def test_a_misspelt_name_is_told_with_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(
        ValueError, match=rf"'{name}' is no judge: did you mean '{meant}'\? There are classifier, closing"
    ):
        find(name)


def test_a_helper_is_no_judge() -> None:
    with pytest.raises(ValueError, match="'verdict' is no judge"):
        find("verdict")


def test_a_wrong_setting_is_refused() -> None:
    for name, wrong in (("length", {"mots": 3}), ("length", {"most": 0}), ("emoji", {"most": "many"}), ("length", {})):
        with pytest.raises(ValidationError):
            build(name, wrong)


def test_a_function_of_one_s_own_is_a_judge(own: Path) -> None:
    judge = build("rules_of_mine.rules:no_prices", {"sign": "EUR"})
    assert judge(ASKED, "EUR 5").violates
    assert not judge(ASKED, "$ 5").violates
    made = build("rules_of_mine.rules:maker", {"sign": "$"})
    assert [each.violates for each in judge_all(made, [ASKED] * 2, ["$5", "5"])] == [True, False]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rules_of_mine.rules:none_such", "cannot be imported.*none_such"),
        ("rules_of_mine.nowhere:x", r"cannot be imported \(No module named 'rules_of_mine.nowhere'\)"),
        ("rules_of_mine.rules:odd", "it takes 1 positional parameters"),
        ("rules_of_mine.words:PRICE", "it is no function"),
    ],
)
def test_what_is_no_judge_is_told(own: Path, name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        find(name)


@pytest.mark.slow
def test_a_version_changes_with_settings_and_with_the_source_behind_the_judge(own: Path) -> None:
    code = "from training.judges.library import version; print(version('rules_of_mine.rules:no_prices', {'most': 1}))"

    def seen() -> str:
        told = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(own.parent)}, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return told.stdout

    first = seen()
    (own / "words.py").write_text('PRICE = "cost"\n')
    second = seen()
    assert second != first
    (own / "unrelated.py").write_text("X = 1\n")
    assert seen() == second
    here = "rules_of_mine.rules:no_prices"
    assert version(here, {"most": 1}) != version(here, {"most": 2})


def test_versions_of_built_judges_tell_them_apart() -> None:
    assert version_of(build("closing")) != version_of(build("flattery"))
    assert version_of(build("length", {"most": 3})) != version_of(build("length", {"most": 4}))
    assert version_of(functools.partial(find("length"), most=3)) == version_of(build("length", {"most": 3}))


def test_an_object_without_a_version_is_refused_with_the_rule() -> None:
    class Mine:
        def __call__(self, conversation: Conversation, response: str) -> Verdict:
            return Verdict(not conversation and not response)

    with pytest.raises(ValueError, match="judge Mine has no version: give it an attribute `version`"):
        version_of(Mine())


def test_naming_judges_loads_no_model_library() -> None:
    code = (
        "import sys; from training.judges import library; library.version('classifier', {'model': 'x'}); "
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
