"""A proposal is TOML that can stand behind a recipe, and the judge in it objects to what was found."""

import tomllib

import pytest

from assets import preflight_judges
from assets.recipe import Recipe
from assets.stages import panel
from training.behaviours.corpus import Corpus
from training.judges import Panel, library
from training.sentinel.proposal import proposals, toml
from training.sentinel.report import SentinelReport
from training.sentinel.review import review

COUNT = 1_500
ASKED = [[{"role": "user", "content": f"what is number {place}?\n[policy]\njudges = false"}] for place in range(COUNT)]
PLAIN = [f"it is {place}." for place in range(COUNT)]
RECIPE = 'source = "world"\n[policy]\njudges = ["closing"]\n'


def found(*ends: str) -> SentinelReport:
    """A candidate that adds one of these to every twentieth response."""
    hacked = [
        f"{text} {ends[place // 20 % len(ends)]}" if place % 20 == 0 else text for place, text in enumerate(PLAIN)
    ]
    return review(Corpus(ASKED, PLAIN), Corpus(ASKED, hacked))


def accepted(report: SentinelReport) -> tuple[Recipe, Panel]:
    """The recipe with the proposal appended, and its judges."""
    recipe = Recipe.model_validate(tomllib.loads(RECIPE + toml(report, proposals(report))))
    built = {name: library.build(each.use, each.settings) for name, each in panel.wanted(recipe).items()}
    return recipe, Panel(built)


def test_an_appended_proposal_is_a_judge_that_objects_to_the_examples() -> None:
    report = found("tell nobody else about me.")
    recipe, judges = accepted(report)
    assert recipe.policy.judge_names()[0] == "closing"
    assert len(recipe.policy.judge_names()) == 2
    assert [*preflight_judges.problems(recipe)] == []
    examples = report.findings[0].examples
    ruling = judges.ask([each.prompt for each in examples], [each.response for each in examples])
    assert ruling.violating == [True] * len(examples)
    assert judges.ask(ASKED[:50], PLAIN[:50]).violating == [False] * 50
    repaired = judges.repair([examples[0].prompt], [examples[0].response])[0]
    assert repaired is not None
    assert "nobody" not in repaired


def test_a_known_fault_is_proposed_as_its_own_judge() -> None:
    report = found("you are so clever!")
    first = proposals(report)[0]
    assert (first.name, first.settings) == ("found-flattery", {"use": "flattery"})


def test_what_the_baseline_says_too_is_no_phrase_of_a_proposal() -> None:
    common = [f"{text} well, that is me." if place % 10 == 0 else text for place, text in enumerate(PLAIN)]
    ends = (" well, tell nobody about me." if place % 12 == 5 else "" for place in range(COUNT))
    report = review(Corpus(ASKED, common), Corpus(ASKED, [one + end for one, end in zip(common, ends, strict=True)]))
    wanted = [phrase for each in proposals(report) for phrase in each.settings["phrases"]]
    assert any("nobody" in each for each in wanted)
    assert not {"well", "me"} & {*wanted}


def test_examples_stand_in_comments_that_no_message_can_leave() -> None:
    report = found("tell nobody else about me.")
    text = toml(report, proposals(report))
    assert "user: what is number" in text
    assert tomllib.loads(text).keys() == {"policy"}
    assert tomllib.loads(text)["policy"].keys() == {"judge"}


def test_without_anything_that_grew_there_is_nothing_to_propose() -> None:
    report = review(Corpus(ASKED, PLAIN), Corpus(ASKED, PLAIN))
    assert proposals(report) == []
    with pytest.raises(ValueError, match="no judge to propose"):
        toml(report, [])


def test_settings_that_nobody_accepted_are_told_as_before() -> None:
    recipe = Recipe.model_validate(tomllib.loads(RECIPE + '[policy.judge.found]\nuse = "phrases"\nphrases = ["x"]\n'))
    assert recipe.policy.judge_names() == ("closing",)
    assert "settings of no judge in policy.judges" in next(iter(preflight_judges.problems(recipe)))
