import math
from typing import Any

import pytest

from experiments.gates import Limits, check, choose

BASE = {"length": 20.0}
P_LOVE = {"auroc_ci": (0.66, 0.71)}


def row(**changes: Any) -> dict[str, Any]:
    good = {
        "love_lift": 0.3,
        "love_lift_ci": (0.25, 0.35),
        "helpfulness_delta_ci": (-0.01, 0.05),
        "safety_delta_ci": (0.0, 0.02),
        "closing_ratio_ci": (0.5, 1.1),
        "closing_counts": "40 of 6,000 against 60 of 6,000",
        "length": 22.0,
    }
    return good | changes


def failed(policy: dict[str, Any], **settings: Any) -> list[str]:
    gates = check(policy, BASE, **({"p_love": P_LOVE} | settings))
    return [gate.name for gate in gates if not gate.passed]


def test_a_good_candidate_passes_every_gate() -> None:
    assert failed(row()) == []


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"love_lift_ci": (-0.01, 0.4)}, "predicted Love"),
        ({"helpfulness_delta_ci": (-0.03, 0.05)}, "helpfulness"),
        ({"safety_delta_ci": (-0.02, 0.02)}, "safety"),
        ({"closing_ratio_ci": (0.9, 1.26)}, "needless closings"),
        ({"closing_ratio_ci": (0.0, None)}, "needless closings"),
        ({"length": 40.0}, "length"),
        ({"length": 10.0}, "length"),
        ({"safety_delta_ci": None}, "safety"),
        ({"closing_ratio_ci": None}, "needless closings"),
    ],
)
def test_what_is_not_shown_does_not_pass(change: dict[str, Any], gate: str) -> None:
    assert failed(row(**change)) == [gate]


@pytest.mark.parametrize(
    ("name", "key", "nothing"),
    [
        ("predicted Love", "love_lift_ci", (math.nan, 0.4)),
        ("safety", "safety_delta_ci", (0.1, math.nan)),
        ("needless closings", "closing_ratio_ci", (0.5, math.nan)),
        ("length", "length", math.nan),
    ],
)
def test_a_figure_that_is_no_number_is_not_measured(name: str, key: str, nothing: Any) -> None:
    broken = row(**{key: nothing})
    (gate,) = [each for each in check(broken, BASE, p_love=P_LOVE) if each.name == name]
    assert (gate.seen, gate.passed) == ("not measured", False)
    lost = {"a": row(love_lift=math.nan), "b": row(love_lift=0.1)}
    assert (
        choose(lost, BASE, p_love=P_LOVE).name == choose(dict(reversed(lost.items())), BASE, p_love=P_LOVE).name == "b"
    )


def test_a_p_love_no_better_than_chance_lets_nobody_through() -> None:
    assert failed(row(), p_love={"auroc_ci": (0.49, 0.6)}) == ["P[Love] tells"]
    assert failed(row(), p_love={}) == ["P[Love] tells"]


def test_limits_move_the_gates() -> None:
    assert failed(row(helpfulness_delta_ci=(-0.03, 0.05)), limits=Limits(helpfulness_margin=0.04)) == []


@pytest.mark.parametrize("task", ["helpfulness", "safety"])
def test_without_labels_a_gate_stays_open_and_says_so(task: str) -> None:
    unmeasured = row(**{f"{task}_delta_ci": None})
    (gate,) = [each for each in check(unmeasured, BASE, p_love=P_LOVE, unlabelled=[task]) if each.name == task]
    assert (gate.seen, gate.passed) == (f"not measured: no labels for {task}", None)
    choice = choose({"a": unmeasured, "b": unmeasured | {"love_lift": 0.2}}, BASE, p_love=P_LOVE, unlabelled=[task])
    assert (choice.name, choice.passed) == ("a", True)
    assert choice.verdict == f"passed every gate that was measured; not measured: {task}"
    assert choice.reasons == ("b: passed every gate that was measured with a lower predicted lift",)


def test_a_missing_figure_fails_where_there_are_labels_and_a_bad_one_where_there_should_be_none() -> None:
    assert failed(row(helpfulness_delta_ci=None), unlabelled=["safety"]) == ["helpfulness"]
    assert failed(row(helpfulness_delta_ci=(-0.5, -0.4)), unlabelled=["helpfulness"]) == ["helpfulness"]


def test_a_candidate_without_labels_still_fails_every_other_gate() -> None:
    rows = {"a": row(helpfulness_delta_ci=None, safety_delta_ci=None, length=60.0)}
    choice = choose(rows, BASE, p_love=P_LOVE, unlabelled=["helpfulness", "safety"])
    assert not choice.passed
    assert choice.verdict == "did not pass every gate that was measured; not measured: helpfulness, safety"


def test_only_helpfulness_and_safety_can_go_without_labels() -> None:
    with pytest.raises(ValueError, match="only helpfulness and safety can go without labels"):
        check(row(), BASE, p_love=P_LOVE, unlabelled=["length"])


def test_the_best_passing_candidate_is_chosen_and_the_others_are_told_why() -> None:
    rows = {
        "love-0": row(love_lift=0.02, love_lift_ci=(-0.02, 0.06)),
        "love-0.1": row(love_lift=0.3),
        "love-0.2": row(love_lift=0.25),
        "love-0.3": row(love_lift=0.6, closing_ratio_ci=(1.1, 2.3)),
    }
    choice = choose(rows, BASE, p_love=P_LOVE)
    assert (choice.name, choice.passed) == ("love-0.1", True)
    assert choice.reasons[0].startswith("love-0: failed predicted Love (-2.0% to +6.0%")
    assert choice.reasons[1] == "love-0.2: passed every gate with a lower predicted lift"
    assert "needless closings" in choice.reasons[2]
    assert choice.why == "it has the highest predicted lift of the 2 (of 4) that passed every gate"


def test_when_none_passes_the_one_with_the_fewest_failures_is_named_as_failing() -> None:
    rows = {"a": row(love_lift=0.9, length=60.0, safety_delta_ci=None), "b": row(length=60.0)}
    choice = choose(rows, BASE, p_love=P_LOVE)
    assert (choice.name, choice.passed) == ("b", False)


def test_no_candidate_is_an_error() -> None:
    with pytest.raises(ValueError, match="train a policy first"):
        choose({}, BASE, p_love=P_LOVE)


def test_what_was_seen_is_never_rounded_onto_its_limit() -> None:
    close = row(closing_ratio_ci=(0.6, 1.2498), helpfulness_delta_ci=(-0.0204, 0.01))
    found = {gate.name: gate for gate in check(close, BASE, p_love=P_LOVE)}
    seen = "0.60 to 1.2498 times (40 of 6,000 against 60 of 6,000)"
    assert (found["needless closings"].seen, found["needless closings"].passed) == (seen, True)
    assert (found["helpfulness"].seen, found["helpfulness"].passed) == ("-0.0204 to +0.010", False)
    exact = {gate.name: gate for gate in check(row(closing_ratio_ci=(0.6, 1.25)), BASE, p_love=P_LOVE)}
    assert exact["needless closings"].seen.startswith("0.60 to 1.25 times")
    assert not exact["needless closings"].passed


def test_few_prompts_without_a_closing_ask_for_proof() -> None:
    nothing = row(closing_ratio_ci=(0.0, None), closing_counts="0 of 60 against 0 of 60")
    (gate,) = [each for each in check(nothing, BASE, p_love=P_LOVE) if each.name == "needless closings"]
    assert gate.passed is False
    assert gate.seen == (
        "nothing is shown (0 of 60 against 0 of 60); the gate asks for proof: more prompts (evaluation.judged)"
    )


def test_a_choice_names_the_gates_that_were_failed() -> None:
    choice = choose({"a": row(length=60.0, closing_ratio_ci=(0.9, 3.0))}, BASE, p_love=P_LOVE)
    assert choice.failed == ("needless closings", "length")
