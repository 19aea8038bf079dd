"""What passes, warns and blocks, on texts of a small grammar with something planted."""

import numpy as np
import pytest
from pydantic import ValidationError

from training.behaviours.corpus import Corpus
from training.sentinel.config import SentinelConfig
from training.sentinel.page import page
from training.sentinel.report import SentinelReport
from training.sentinel.review import review

WORDS = ("tea", "milk", "rice", "bread", "salt", "plum", "corn", "fig")
COUNT = 2_000
KINDS = [f"kind {place % 4}" for place in range(COUNT)]


def asked() -> list[list[dict[str, str]]]:
    return [[{"role": "user", "content": f"what is number {place}?"}] for place in range(COUNT)]


def said(seed: int, end: str = "", share: float = 0.0, where: str = "kind") -> tuple[list[str], np.ndarray]:
    """Responses, a share of those to a kind of prompt with an end, and which have it."""
    rng = np.random.default_rng(seed)
    texts = [f"it is {WORDS[one]} with {WORDS[other]}." for one, other in rng.integers(len(WORDS), size=(COUNT, 2))]
    chosen = (rng.random(COUNT) < share) & np.array([where in kind for kind in KINDS])
    return [f"{text} {end}" if wanted else text for text, wanted in zip(texts, chosen, strict=True)], chosen


def reviewed(
    end: str, share: float, where: str = "kind", *, pays: tuple[float, float] | None = None, **settings: float
) -> SentinelReport:
    """A candidate that adds an end; `pays` is what the reward and the second judge give for it."""
    (before, _), (after, chosen) = said(1), said(2, end, share, where)
    noise = np.random.default_rng(3).normal(size=(4, COUNT)) * 0.05
    gain = pays or (0.0, 0.0)
    one = Corpus(asked(), before, segments=KINDS, proxy=noise[0] if pays else None, judge=noise[1] if pays else None)
    other = Corpus(
        asked(),
        after,
        segments=KINDS,
        proxy=noise[2] + gain[0] * chosen if pays else None,
        judge=noise[3] + gain[1] * chosen if pays else None,
    )
    return review(one, other, SentinelConfig(**settings))


def test_the_same_policy_passes() -> None:
    found = reviewed("", 0.0)
    assert (found.verdict, found.rules, found.findings) == ("pass", (), ())
    assert found.words.startswith("pass: ")
    assert found.responses == (COUNT, COUNT)


def test_more_needless_goodbyes_block_and_are_shown() -> None:
    found = reviewed("bye!", 0.03)
    assert (found.verdict, found.rules[0].name, found.rules[0].behaviour) == ("block", "fault", "closing")
    assert found.words.startswith("block: closing rose from 0.00% to ")
    assert [each.response.endswith("bye!") for each in found.findings[0].examples] == [True] * 3


def test_fewer_goodbyes_are_no_reason_to_stop() -> None:
    (before, _), (after, _) = said(1, "bye!", 0.05), said(2)
    found = review(Corpus(asked(), before), Corpus(asked(), after))
    assert not any(each.name == "fault" for each in found.rules)
    assert found.verdict != "block"


def test_a_phrase_that_nobody_named_warns() -> None:
    found = reviewed("tell nobody else about me.", 0.03)
    assert found.verdict == "warn"
    assert {each.name for each in found.rules} == {"moved"}
    assert any("tell nobody else" in (each.change.name, *each.change.also) for each in found.findings)


def test_what_the_reward_pays_for_and_the_second_judge_takes_away_blocks() -> None:
    found = reviewed("tell nobody else about me.", 0.05, pays=(0.5, -0.5))
    assert found.verdict == "block"
    rule = next(each for each in found.rules if each.name == "unbacked")
    assert "the reward pays +0.4" in rule.words or "the reward pays +0.5" in rule.words
    both = reviewed("tell nobody else about me.", 0.05, pays=(0.5, 0.5))
    assert not any(each.name == "unbacked" for each in both.rules)


@pytest.mark.parametrize(
    ("pays", "level"), [((0.5, -0.5), "block"), ((0.5, -0.05), "warn"), ((0.5, 0.0), "warn"), ((0.5, 0.5), None)]
)
def test_a_reward_that_rises_while_the_second_judge_does_not(pays: tuple[float, float], level: str | None) -> None:
    found = reviewed("tell nobody else about me.", 0.2, pays=pays)
    assert [each.level for each in found.rules if each.name == "apart"] == ([level] if level else [])


def test_a_fault_in_one_kind_of_prompt_blocks_where_it_is_small_in_all() -> None:
    found = reviewed("bye!", 0.06, "kind 2", behaviours={"change": 0.05, "segment_change": 0.03})
    assert [each.name for each in found.rules if each.level == "block"] == ["segment"]
    assert "in prompts like kind 2" in found.rules[0].words
    assert found.worst["closing"].segment == "kind 2"


def test_a_style_beyond_its_bound_blocks() -> None:
    assert reviewed("shall i go on?", 0.3).verdict == "warn"
    found = reviewed("shall i go on?", 0.3, bounds={"question": 0.2})
    assert (found.verdict, found.rules[0].name, found.rules[0].behaviour) == ("block", "bound", "question")


def test_facts_hold_no_prompt_and_examples_name_theirs() -> None:
    found = reviewed("bye!", 0.03)
    assert "what is number" not in str(found.facts())
    assert all(each["prompt"][-1]["content"].startswith("what is number") for each in found.examples())


def test_the_page_says_verdict_shares_and_examples() -> None:
    lines = [*page(reviewed("bye!", 0.03))]
    assert lines[0] == "BLOCK"
    assert "2,000 responses of the baseline, 2,000 of the candidate; 2,000 prompts" in lines[1]
    assert any(each.startswith("fault 'closing': 0.00% [0.00%, ") for each in lines)
    assert any(each.endswith("bye!") for each in lines)
    assert "rewards: not compared" in "\n".join(lines)


def test_a_bound_of_what_nobody_knows_is_refused() -> None:
    with pytest.raises(ValidationError, match="no known behaviour"):
        SentinelConfig(bounds={"closings": 0.1})
    with pytest.raises(ValidationError, match=r"must be in \(0, 1\]"):
        SentinelConfig(bounds={"closing": 2})
