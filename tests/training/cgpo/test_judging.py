import functools
import re

import pytest

from training.cgpo.judging import Hearing
from training.cgpo.versions import judge_versions
from training.judges import CONDITIONAL_CLOSING
from training.judges.verdict import PASS, Verdict

ASKED = [[{"role": "user", "content": "what does the fox eat?"}]] * 3
WHERE = "task love, round 2"


class Counting:
    """Objects to a word, and counts what it is asked."""

    def __init__(self, word: str, cost: float = 0.0) -> None:
        self.word, self.cost, self.version, self.heard = word, cost, word, []

    def __call__(self, _: list, response: str) -> Verdict:
        self.heard.append(response)
        return Verdict(True, self.word, None, response.replace(self.word, "")) if self.word in response else PASS


def raises(_: list, response: str) -> Verdict:
    return {"ok": PASS}[response]


def has(word: str, _: list, response: str) -> Verdict:
    return Verdict(word in response)


def test_nobody_is_asked_twice_about_one_response() -> None:
    judge = Counting("bye")
    hearing = Hearing({"bye": judge}, ASKED, WHERE)
    assert hearing.violating([(0, "bye"), (0, "bye"), (1, "bye"), (0, "hm")]) == [True, True, True, False]
    assert hearing.violating([(0, "bye")]) == [True]
    assert len(judge.heard) == 3


def test_a_dear_judge_hears_only_what_the_others_let_pass() -> None:
    dear, cheap = Counting("hm", cost=1.0), Counting("bye")
    hearing = Hearing({"dear": dear, "cheap": cheap}, ASKED, WHERE)
    asked = [(0, "bye"), (1, "hm"), (2, "well")]
    assert hearing.has_dear
    assert hearing.violating(asked, dear=False) == [True, False, False]
    assert dear.heard == []
    assert hearing.violating(asked) == [True, True, False]
    assert dear.heard == ["hm", "well"]
    assert hearing.trips(asked) == pytest.approx({"cheap": 1 / 3, "dear": 1 / 2})


def test_a_repair_comes_from_a_judge_that_objects() -> None:
    hearing = Hearing({"no": lambda *_: Verdict(True), "bye": Counting(" bye")}, ASKED, WHERE)
    hearing.violating([(0, "tea bye"), (1, "tea")])
    assert [hearing.repair((0, "tea bye")), hearing.repair((1, "tea")), hearing.repair((2, "unheard"))] == [
        "tea",
        None,
        None,
    ]


def test_a_repair_is_repaired_by_whoever_else_objects_and_passes_all_of_them() -> None:
    judges = {"bye": Counting(" bye"), "wow": Counting(" wow"), "no": lambda _, text: Verdict("no" in text)}
    hearing = Hearing(judges, ASKED, WHERE)
    asked = [(0, "tea wow bye"), (1, "no bye"), (2, "tea")]
    hearing.violating(asked)
    assert hearing.satisfied_repairs(asked) == ["tea", None, None]


def test_a_judge_that_raises_is_named_with_the_conversation_and_the_next_step() -> None:
    hearing = Hearing({"fine": lambda *_: PASS, "picky": raises}, ASKED, WHERE)
    said = (
        "judge 'picky' raised KeyError ('berries') in task love, round 2, conversation 1, response 'berries': mend the"
    )
    with pytest.raises(ValueError, match=re.escape(said)):
        hearing.violating([(0, "ok"), (1, "berries"), (2, "mice")])


def test_a_judge_that_gives_no_verdict_is_named() -> None:
    with pytest.raises(ValueError, match="judge 'odd' gave None in task love, round 2, must give one Verdict for each"):
        Hearing({"odd": lambda *_: None}, ASKED, WHERE).violating([(0, "ok")])


def test_a_changed_judge_has_another_version() -> None:
    named = {"closing": CONDITIONAL_CLOSING, "raises": raises, "bye": functools.partial(has, "bye")}
    versions = judge_versions(named)
    assert judge_versions(named) == versions
    assert len({*versions.values()}) == 3
    assert judge_versions({"bye": functools.partial(has, "hm")})["bye"] != versions["bye"]
    assert judge_versions({"bye": Counting("a")}) != judge_versions({"bye": Counting("b")})


def test_a_judge_that_cannot_say_its_version_is_refused() -> None:
    class Silent:
        def __call__(self, *_: object) -> Verdict:
            return PASS

    with pytest.raises(ValueError, match=r"judge 'silent' \(Silent\) has no version: give it an attribute `version`"):
        judge_versions({"silent": Silent()})
