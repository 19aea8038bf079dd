from typing import Any

import pytest

from assets.report import schema, typesetting, words

NOTHING: dict[str, Any] = {
    "name": "small",
    "created_at": "2026-03-02",
    "source": "a synthetic world",
    **dict.fromkeys(("ingest", "adversary", "p_love", "candidate", "experiment")),
    "policies": [],
    "ledger": [],
    "seconds": {},
    "versions": {},
}
CANDIDATE = {"name": "love-0.1", "love_weight": 0.1, "passed": True, "gates": []}
TEST = {"decision": "ship", "lift": 0.31, "lift_ci": [0.2, 0.4], "anytime_ci": [0.1, 0.5], "srm_p": 0.4, "exposures": 9}


def summary(**parts: Any) -> words.Summary:
    return words.summary(schema.from_plain(NOTHING | parts))


@pytest.mark.parametrize(
    ("decision", "headline", "step"),
    [
        ("ship", "Ship love-0.1: +31.0% loves per response (+10.0% to +50.0%)", "Ramp"),
        ("stop", "Do not ship love-0.1", "Send everyone back"),
        ("continue", "Keep testing love-0.1", "Let the test run"),
        ("invalid", "The test of love-0.1 is void", "Find where"),
    ],
)
def test_the_headline_says_the_decision_and_what_follows(decision: str, headline: str, step: str) -> None:
    found = summary(candidate=CANDIDATE, experiment=TEST | {"decision": decision})
    assert found.headline.startswith(headline)
    assert found.next_steps[0].startswith(step)


def test_a_candidate_that_failed_a_gate_is_not_to_be_served() -> None:
    found = summary(candidate=CANDIDATE | {"passed": False})
    assert found.verdict == "held"
    assert found.next_steps[0].startswith("Do not serve it")


def test_a_gate_that_could_not_be_measured_counts_as_neither_passed_nor_failed() -> None:
    gate = {"seen": "", "rule": ""}
    gates = [gate | {"name": "length", "passed": True}, gate | {"name": "safety", "passed": None}]
    policy = dict.fromkeys(("love_lift", "love_lift_ci", "closing_rate", "helpfulness_delta", "safety_delta"), None) | {
        "love_weight": 0.1,
        "judges": [],
        "chosen": True,
    }
    found = summary(candidate=CANDIDATE | {"gates": gates}, policies=[policy])
    assert found.headline == (
        "love-0.1 is staged and passed every gate (not measured, for want of labels: safety); no A/B test was run"
    )
    assert "it passed all 1 gates (not measured, for want of labels: safety)" in found.found[0]


GATE = {"name": "needless closings", "seen": "0.91 to 1.73 times", "rule": "must lie below 1.25", "passed": False}
FORCED = CANDIDATE | {"passed": False, "gates": [GATE]}


def test_a_forced_test_never_says_ship_without_its_caveat() -> None:
    found = summary(candidate=FORCED, experiment=TEST | {"simulated": True})
    assert found.verdict == "ship?"
    assert found.headline == (
        "Ship? love-0.1: +31.0% loves per response (+10.0% to +50.0%) (forced, failed: needless closings)"
    )
    assert found.next_steps[0].startswith("Do not ramp it up on the test alone")
    assert "The A/B test was forced (experiment.force): it failed the gate on needless closings." in found.notes


def test_what_a_product_served_in_spite_of_a_failed_gate_is_told_as_that() -> None:
    found = summary(candidate=FORCED, experiment=TEST)
    assert found.headline.endswith("(forced, failed: needless closings)")
    assert "It was served all the same: it failed the gate on needless closings." in found.notes


def test_a_test_of_an_earlier_cycle_s_candidate_is_told_as_that() -> None:
    """The gates that the new candidate failed say nothing about the one that was tested."""
    found = summary(candidate=FORCED, experiment=TEST | {"candidate": "love-0.3-old"})
    assert found.verdict == "ship"
    assert found.headline == "Ship love-0.3-old: +31.0% loves per response (+10.0% to +50.0%)"
    assert "The A/B test is of love-0.3-old, which an earlier cycle staged." in found.found
    assert found.next_steps[1] == "Do not serve love-0.1: mend what the failed gates name, and train again."
    assert not any("forced" in note for note in found.notes)


def test_an_earlier_cycle_s_candidate_that_failed_a_gate_is_never_told_to_ship_without_that() -> None:
    tested = TEST | {"candidate": "love-0.3-old", "failed_gates": ["length"]}
    found = summary(candidate=CANDIDATE, experiment=tested)
    assert found.verdict == "ship?"
    assert found.headline.startswith("Ship? love-0.3-old")
    assert found.headline.endswith("(forced, failed: length)")


def test_a_test_that_shows_nothing_yet_says_so() -> None:
    found = summary(candidate=CANDIDATE, experiment=TEST | {"decision": "continue", "anytime_ci": [-0.1, 0.7]})
    assert found.headline.endswith("so far, which shows neither gain nor loss")


def test_a_broken_guardrail_is_why_a_loved_treatment_is_not_shipped() -> None:
    guard = {
        "name": "needless closings", "state": "broken", "most": 1.25, "rates": {}, "ratio": 2.0,
        "ratio_ci": [1.6, 2.4], "words": "",
    }  # fmt: skip
    found = summary(candidate=CANDIDATE, experiment=TEST | {"decision": "stop", "guardrails": [guard]})
    assert found.headline.endswith("and the guardrail on needless closings is broken")


def test_where_gate_and_guardrail_disagree_the_report_says_what_each_rests_on() -> None:
    guard = {
        "name": "needless closings", "state": "held", "most": 1.25, "rates": {}, "ratio": 1.1,
        "ratio_ci": [1.02, 1.2], "words": "",
    }  # fmt: skip
    (line,) = [
        line
        for line in summary(candidate=FORCED, experiment=TEST | {"guardrails": [guard]}).found
        if "gate and test differ" in line
    ]
    assert "offline 0.91 to 1.73 times, in the test 1.02 to 1.20 times, both against 1.25 times" in line
    assert "the gate stays failed" in line


def test_a_lift_without_limits_is_not_given_as_an_interval() -> None:
    found = summary(candidate=CANDIDATE, experiment=TEST | {"decision": "continue", "anytime_ci": [-1.0, None]})
    assert "(any lift is possible)" in found.headline


def test_an_endless_interval_in_a_reason_is_said_in_words() -> None:
    reason = "the lift is not shown: Love rate -100.0%, -100.0% to +inf% at any look"
    found = summary(candidate=CANDIDATE, experiment=TEST | {"reasons": [reason]})
    assert found.found[-1].endswith("\N{MINUS SIGN}100.0% or more at any look.")


def test_lost_events_come_before_any_other_advice_about_the_data() -> None:
    counts = ("events_sent", "rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters")
    found = summary(ingest=dict.fromkeys(counts, 3) | {"lost": 2})
    assert "2 were lost" in found.found[0]
    assert found.next_steps == ("Find the lost events before trusting any figure here.",)


def test_a_lift_that_is_not_known_is_not_printed_as_a_number() -> None:
    found = summary(candidate=CANDIDATE, experiment=TEST | {"lift": None, "anytime_ci": [None, None]})
    assert "not known" in found.headline


def test_open_intervals_read_as_one_sided() -> None:
    assert typesetting.span((None, 0.5)) == "at most +50.0%"
    assert typesetting.span((0.5, None)) == "at least +50.0%"
