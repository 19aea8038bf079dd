import re

import pytest

from training.cgpo.judgement import Hearing
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


def test_a_repair_passes_every_judge() -> None:
    judges = {"bye": Counting(" bye"), "hm": Counting(" hm"), "no": Counting("no")}
    hearing = Hearing(judges, ASKED, WHERE)
    hearing.violating([(0, "tea bye"), (1, "tea hm bye"), (2, "tea")])
    assert hearing.repairs([(0, "tea bye"), (1, "tea hm bye"), (2, "tea")]) == ["tea", "tea", None]


def test_a_judge_that_raises_is_named_with_the_response_and_the_next_step() -> None:
    hearing = Hearing({"fine": lambda *_: PASS, "picky": raises}, ASKED, WHERE)
    said = "judge 'picky' raised KeyError ('berries') in task love, round 2, at the response 'berries': mend it"
    with pytest.raises(ValueError, match=re.escape(said)):
        hearing.violating([(0, "ok"), (1, "berries"), (2, "mice")])


def test_a_judge_that_gives_no_verdict_is_named() -> None:
    with pytest.raises(ValueError, match="judge 'odd' gave None in task love, round 2, must give one"):
        Hearing({"odd": lambda *_: None}, ASKED, WHERE).violating([(0, "ok")])
