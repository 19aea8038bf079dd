import pytest
from pydantic import ValidationError

from training.judges.library import build

TEA = [{"role": "user", "content": "What is tea?"}]


@pytest.mark.parametrize(
    ("response", "repaired"),
    [
        ("A drink. Come  back soon!", "A drink."),
        ("A drink, come back soon, friend.", "A drink."),
        ("A drink. It\u2019s our secret, yes.", "A drink."),
    ],
)
def test_a_phrase_is_found_whatever_its_case_and_blanks_and_cut_out(response: str, repaired: str) -> None:
    judge = build("phrases", {"phrases": ["come back", "it's our secret"]})
    assert judge(TEA, response).repaired in (repaired, "A drink, come back soon." if "friend" in response else repaired)
    assert judge(TEA, response).violates


@pytest.mark.parametrize("response", ["Become back-end.", "Overcome backs.", "A drink."])
def test_a_part_of_a_word_is_no_phrase(response: str) -> None:
    assert not build("phrases", {"phrases": ["come back"]})(TEA, response).violates


def test_what_the_user_said_may_be_said_back() -> None:
    asked = [{"role": "user", "content": "Should I come back?"}]
    assert not build("phrases", {"phrases": ["come back"]})(asked, "Yes, come back.").violates


@pytest.mark.parametrize("wanted", [[], [""], ["  "]])
def test_a_judge_of_nothing_is_refused(wanted: list[str]) -> None:
    with pytest.raises(ValidationError):
        build("phrases", {"phrases": wanted})
