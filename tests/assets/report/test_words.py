from typing import Any

import pytest

from assets.report import schema, words

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
    assert "passed all 1 gates (not measured, for want of labels: safety)" in found.found[0]


def test_lost_events_come_before_any_other_advice_about_the_data() -> None:
    counts = ("events_sent", "rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters")
    found = summary(ingest=dict.fromkeys(counts, 3) | {"lost": 2})
    assert "2 were lost" in found.found[0]
    assert found.next_steps == ("Find the lost events before trusting any figure here.",)


def test_a_lift_that_is_not_known_is_not_printed_as_a_number() -> None:
    found = summary(candidate=CANDIDATE, experiment=TEST | {"lift": None, "anytime_ci": [None, None]})
    assert "not known" in found.headline


def test_open_intervals_read_as_one_sided() -> None:
    assert words.span((None, 0.5)) == "at most +50.0%"
    assert words.span((0.5, None)) == "at least +50.0%"
