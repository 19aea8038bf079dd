import math
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from training.judges import Panel, TooManyTripsError, Verdict
from training.judges.library import build
from training.judges.panel import verdicts_of

ASKED = [{"role": "user", "content": "What is tea?"}]


class Late:
    """A judge that costs something: it notes what it was asked about and objects to every `rude` text."""

    cost = 2
    version = "1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, conversation: Any, response: str) -> Verdict:
        return self.judge_all([conversation], [response])[0]

    def judge_all(self, conversations: Sequence[Any], responses: Sequence[str]) -> list[Verdict]:
        assert len(conversations) == len(responses)
        self.asked += responses
        return [Verdict("rude" in text, "rude" if "rude" in text else "") for text in responses]


def panel(late: Late | None = None, most_trips: float = 0.5) -> Panel:
    return Panel({"late": late or Late(), "closing": build("closing"), "flattery": build("flattery")}, most_trips)


def test_a_costly_judge_is_asked_about_what_all_others_let_pass() -> None:
    late = Late()
    found = panel(late).ask([ASKED] * 4, ["Tea.", "Tea. Bye!", "Great question! Tea.", "So rude."])
    assert late.asked == ["Tea.", "So rude."]
    assert found.violating == [False, True, True, True]
    assert found.trips == {"closing": (4, 1), "flattery": (4, 1), "late": (2, 1)}
    assert found.trips["late"].share == 0.5
    assert found.verdicts["late"][1] is None


def test_cheap_judges_stand_first_and_it_is_a_mapping_of_all() -> None:
    both = panel()
    assert list(both) == ["closing", "flattery", "late"]
    assert len(both) == 3
    assert both["closing"](ASKED, "Tea. Bye!").violates
    assert set(both.versions) == set(both)


def test_a_repair_passes_the_whole_panel() -> None:
    texts = ["Great question! Tea. Bye!", "Tea. Bye!", "Tea.", "So rude. Bye!", "So rude.", "Bye!"]
    judges = panel()
    found = judges.ask([ASKED] * 6, texts)
    assert judges.repair([ASKED] * 6, texts, found) == ["Tea.", "Tea.", None, None, None, None]
    assert judges.repair([ASKED] * 6, texts) == ["Tea.", "Tea.", None, None, None, None]


def test_judges_that_undo_each_other_s_repairs_come_to_an_end() -> None:
    def short(conversation: Any, response: str) -> Verdict:
        return Verdict(len(response) > 3, "long", (3, len(response)), response[:3])

    def long(conversation: Any, response: str) -> Verdict:
        return Verdict(len(response) < 4, "short", (0, len(response)), f"{response}...")

    judges = Panel({"short": short, "long": long})
    found = judges.ask([ASKED], ["green tea"])
    assert judges.repair([ASKED], ["green tea"], found) == [None]


def test_no_response_and_no_judge_are_no_trouble() -> None:
    assert panel().ask([], []).violating == []
    assert Panel({}).ask([ASKED] * 2, ["a", "b"]).violating == [False, False]
    assert Panel({}).repair([ASKED], ["a"], Panel({}).ask([ASKED], ["a"])) == [None]


def test_a_judge_that_trips_on_too_much_stops_the_run_with_all_that_one_needs() -> None:
    texts = [f"Tea {place}. Bye!" for place in range(18)] + ["Tea."] * 12
    judges = panel()
    found = judges.ask([ASKED] * 30, texts)
    with pytest.raises(TooManyTripsError) as told:
        judges.check(found.said(texts), "task love, round 2")
    said = str(told.value)
    assert said.startswith("judge 'closing' tripped on 18 of 30 responses (60%) in task love, round 2, at most 50% may")
    assert said.count("'Tea ") == 3
    assert "(says 'Bye' although the user did not close)" in said
    assert all(
        word in said for word in ("raise policy.most_trips", "[policy.judge.closing]", "drop it from policy.judges")
    )


def test_up_to_the_share_it_goes_on_and_a_few_responses_prove_nothing() -> None:
    texts = ["Tea. Bye!"] * 15 + ["Tea."] * 15
    judges = panel()
    found = judges.ask([ASKED] * 30, texts)
    judges.check(found.said(texts), "task love, round 1")
    judges.check(found.at(range(15)).said(texts[:15]), "task love, round 1")
    with pytest.raises(TooManyTripsError):
        judges.check(found.at(range(20)).said(texts[:20]), "task love, round 1")
    loose = panel(most_trips=1.0)
    loose.check(loose.ask([ASKED] * 20, ["Bye!"] * 20).said(["Bye!"] * 20), "task love, round 1")


def test_a_judge_that_raises_is_named_with_the_response() -> None:
    def fragile(conversation: Any, response: str) -> Verdict:
        return Verdict(response[3] == "x")

    with pytest.raises(
        ValueError, match=r"judge 'fragile' raised IndexError .*, at the response 'tea': mend it, or drop"
    ):
        Panel({"fragile": fragile}).ask([ASKED] * 2, ["green", "tea"])


@pytest.mark.parametrize("given", [True, None, "violates"])
def test_a_judge_that_gives_no_verdict_is_named(given: Any) -> None:
    def wrong(conversation: Any, response: str) -> Any:
        return given if conversation and response else Verdict(False)

    with pytest.raises(ValueError, match=rf"judge 'wrong' gave {given!r}, must give one training.judges.Verdict"):
        Panel({"wrong": wrong}).ask([ASKED], ["tea"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Verdict(None), r"a verdict with violates == None in task love, must be True or False"),  # type: ignore[arg-type]
        (Verdict(math.nan), r"a verdict with violates == nan in task love, must be True or False"),  # type: ignore[arg-type]
        (Verdict(2), r"a verdict with violates == 2 in task love, must be True or False"),  # type: ignore[arg-type]
        (Verdict(True, None), r"a verdict with reason == None in task love, must be a text"),  # type: ignore[arg-type]
        (Verdict(True, "", (math.nan, 1)), r"a verdict with span == \(nan, 1\) in task love, must be None or"),  # type: ignore[arg-type]
        (Verdict(True, "", (2, 9)), r"a verdict with span == \(2, 9\).* within the response's 3 characters"),
        (Verdict(True, "", None, 5), r"a verdict with repaired == 5 in task love, must be None or a text"),  # type: ignore[arg-type]
        (Verdict(True, "", None, "\ud800"), r"a verdict with repaired == .* in task love, must be None or a text"),
    ],
)  # fmt: skip
def test_a_verdict_of_which_a_part_is_wrong_is_named(given: Verdict, said: str) -> None:
    with pytest.raises(ValueError, match=f"judge 'wrong' gave {said}.*: mend it"):
        verdicts_of("wrong", lambda *_: given, [ASKED], ["tea"], "task love")


@pytest.mark.parametrize("repaired", ["", " \n", "Bye!"])
def test_a_repair_that_leaves_nothing_or_everything_is_none(repaired: str) -> None:
    (found,) = verdicts_of("idle", lambda *_: Verdict(True, "x", None, repaired), [ASKED], ["Bye!"])
    assert found == Verdict(True, "x")


def test_a_judge_that_leaves_the_process_is_a_judge_that_raises() -> None:
    with pytest.raises(ValueError, match=r"judge 'rude' raised SystemExit \(enough\), at the response 'tea'"):
        verdicts_of("rude", lambda *_: sys.exit("enough"), [ASKED], ["tea"])


@pytest.mark.parametrize("cost", ["dear", math.nan, -1, None])
def test_a_cost_must_be_a_number(cost: Any) -> None:
    class Dear:
        def __call__(self, *_: Any) -> Verdict:
            return Verdict(False)

    judge = Dear()
    judge.cost = cost  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"a judge \(Dear\) has cost == .*, must be a number"):
        Panel({"dear": judge})


def test_verdicts_may_come_one_by_one() -> None:
    class Lazy:
        def __call__(self, *_: Any) -> Verdict:
            return Verdict(False)

        def judge_all(self, _: Sequence[Any], responses: Sequence[str]) -> Any:
            return (Verdict(False) for _ in responses)

    assert verdicts_of("lazy", Lazy(), [ASKED] * 2, ["a", "b"]) == [Verdict(False)] * 2


def test_a_judge_of_many_that_raises_or_forgets_one_is_named() -> None:
    class Hasty:
        def __call__(self, conversation: Any, response: str) -> Verdict:
            return self.judge_all([conversation], [response])[0]

        def judge_all(self, conversations: Sequence[Any], responses: Sequence[str]) -> list[Verdict]:
            return [Verdict(len(conversations) < 3, text) for text in responses[1:] or [responses[2]]]

    with pytest.raises(
        ValueError, match="judge 'hasty' gave 1 verdicts on 2 responses in task love, round 1, must give"
    ):
        verdicts_of("hasty", Hasty(), [ASKED] * 2, ["a", "b"], "task love, round 1")
    with pytest.raises(
        ValueError, match=r"judge 'hasty' raised IndexError .*in task love, asked about 1 responses: mend"
    ):
        verdicts_of("hasty", Hasty(), [ASKED], ["a"], "task love")


def test_a_server_that_is_away_is_told_as_it_is() -> None:
    def away(conversation: Any, response: str) -> Verdict:
        raise ConnectionError("no answer")

    with pytest.raises(ConnectionError, match=r"^no answer$"):
        Panel({"away": away}).ask([ASKED], ["tea"])


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_the_share_must_be_one(share: float) -> None:
    with pytest.raises(ValueError, match=r"most_trips == .*must be in \(0, 1\]"):
        Panel({}, share)


def test_conversations_and_responses_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="1 conversations and 0 responses"):
        panel().ask([ASKED], [])
