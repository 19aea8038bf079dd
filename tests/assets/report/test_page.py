"""The page as a reader meets it: contents, tables on paper and phone, the parts of a live run."""

from typing import Any

import pytest

from assets.report import schema
from assets.report.render import render
from assets.report.style import PHONE, phone

ORIGINS = [
    {"what": "loves", "origin": "reactions in the log", "simulated": False},
    {"what": "safety labels", "origin": "simulated annotators", "simulated": True, "note": "12,000 of them"},
]
CYCLES = [
    {"number": 1, "opened_at": "2026-03-01T08:00:00+00:00", "why": "the first", "training_set": "a" * 64, "rows": 900,
     "loves": 12, "auroc": 0.61, "candidate": "love-0.1-old", "passed": False, "decision": "stop"},
    {"number": 2, "opened_at": "2026-03-08T08:00:00+00:00", "why": "4,000 new responses"},
]  # fmt: skip


def live(figures: dict[str, Any]) -> dict[str, Any]:
    """The same run as a product has it that knows of loves alone, before its A/B test."""
    policy = figures["policies"][0] | {"helpfulness_delta": None, "safety_delta": None, "true_love_lift": None}
    del policy["helpfulness_delta_ci"], policy["safety_delta_ci"]
    gates = [gate for gate in figures["candidate"]["gates"] if gate["name"] not in ("helpfulness", "safety")]
    adversary = {name: value for name, value in figures["adversary"].items() if name not in ("recall", "honest_loss")}
    return figures | {
        "source": "real input",
        "ingest": figures["ingest"] | {"from_topics": True},
        "adversary": adversary | {"recall_by_attack": {}},
        "p_love": figures["p_love"] | {"oracle_auroc": None},
        "policies": [policy | {"closing_delta": -0.004, "closing_delta_ci": [-0.01, 0.0]}],
        "candidate": figures["candidate"] | {"gates": gates},
        "experiment": {"name": "ab-7", "waiting": "no exposure yet: serve it under experiment ab-7"},
        "ledger": [],
        "ledger_agreement": None,
    }


def text(values: dict[str, Any]) -> str:
    return render(schema.from_plain(values), {})


def test_every_entry_of_the_contents_leads_to_a_section(
    figures: dict[str, Any], images: dict[str, bytes], page: Any
) -> None:
    values = figures | {"origins": ORIGINS, "cycles": CYCLES}
    read = page(render(schema.from_plain(values), images))
    assert read.anchors == read.ids
    assert len(read.anchors) == len(set(read.anchors)) == 10
    assert read.tags["h2"] == read.tags["section"] == 10


def test_every_table_has_a_caption_scopes_and_labels_for_phones(
    figures: dict[str, Any], images: dict[str, bytes], page: Any
) -> None:
    read = page(render(schema.from_plain(figures | {"origins": ORIGINS, "cycles": CYCLES}), images))
    assert read.tags["table"] == read.tags["caption"] == read.tags["thead"] > 8
    assert (read.tags["th without scope"], read.tags["figure without label"]) == (0, 0)


def test_a_phone_gets_pictures_of_its_own(report: schema.Report, images: dict[str, bytes], page: Any) -> None:
    read = page(render(report, images, narrow={"pareto": images["ledger"]}))
    assert (read.tags["source"], read.fetched) == (1, [])
    with pytest.raises(ValueError, match="pie"):
        render(report, images, narrow={"pie": images["ledger"]})


@pytest.mark.slow
def test_pictures_for_a_phone_are_as_wide_as_one(report: schema.Report) -> None:
    from assets.report import group_plot, plots
    from assets.report.style import DENSITY

    assert report.adversary is not None
    with phone():
        drawn = [plots.pareto(report.policies), group_plot.group(report.adversary.groups[0])]
    after = plots.pareto(report.policies)
    widths = [int.from_bytes(image[16:20], "big") for image in (*drawn, after)]
    assert widths == [PHONE * DENSITY, PHONE * DENSITY, 6.4 * DENSITY]


def test_where_each_input_came_from_is_told_and_what_is_simulated_is_marked(figures: dict[str, Any]) -> None:
    html = text(figures | {"source": "real input", "origins": ORIGINS})
    assert "real events, but simulated safety labels" in html
    assert "real input" not in html
    assert "12,000 of them" in html
    assert html.count(">simulated<") == html.count(">real<") == 1
    assert "Not everything is real: safety labels came from the synthetic world." in html


def test_the_history_of_a_run_stands_newest_first_once_there_is_one(figures: dict[str, Any]) -> None:
    html = text(figures | {"cycles": CYCLES})
    assert html.index("4,000 new responses") < html.index("love-0.1-old")
    assert "8 March 2026, 08:00 UTC" in html
    assert "Cycles" not in text(figures | {"cycles": CYCLES[:1]})


def test_a_live_run_without_labels_reads_well(figures: dict[str, Any], images: dict[str, bytes], page: Any) -> None:
    values = live(figures)
    html = render(schema.from_plain(values), {name: images[name] for name in ("pareto", "left_out", "group_0")})
    assert page(html).open == []
    assert not [word for word in ("simulated", "truth", "synthetic", "None", "not known") if word in html]
    assert "Helpfulness was not measured. Safety was not measured." in html
    assert "Love against needless closings" in html
    assert "none was lost" not in html


def test_a_test_without_an_exposure_says_what_to_do(figures: dict[str, Any]) -> None:
    html = text(live(figures))
    assert "The A/B test of love-0.1 has no exposure yet" in html
    assert "No exposure yet: serve it under experiment ab-7." in html
    assert "exact test" not in html


def test_the_pareto_of_a_run_without_helpfulness_is_drawn_over_needless_closings(figures: dict[str, Any]) -> None:
    from assets.report import plots

    found = schema.from_plain(live(figures)).policies
    assert not plots.with_helpfulness(found)
    assert plots.pareto(found).startswith(b"\x89PNG")
    assert plots.pareto(found) != plots.pareto([])


def test_one_effect_has_one_interval_outside_the_details(figures: dict[str, Any]) -> None:
    from assets.report.typesetting import lifts

    test = schema.from_plain(figures).experiment
    assert test is not None
    html = text(figures)
    details = html.index("The effect, read in several ways")
    assert lifts(test.lift_ci) not in html[:details]
    assert html[:details].count(lifts(test.anytime_ci)) >= 3  # the title, the headline, a tile
    assert html.count(lifts(test.lift_ci)) == 1


def test_the_log_and_the_test_are_counted_apart(figures: dict[str, Any]) -> None:
    adversary = figures["adversary"] | {"test_users": 40, "test_users_aside": 1}
    html = text(figures | {"adversary": adversary})
    assert "3 of its 100 users are in quarantine, and 1 of the 40 users whom the A/B test alone served" in html


def test_waiting_reactions_stand_beside_none_lost(figures: dict[str, Any]) -> None:
    waiting = {"waiting": 40, "waiting_too_long": 38, "waiting_since": "2026-01-28T13:15:38+00:00"}
    html = text(figures | {"ingest": figures["ingest"] | waiting})
    assert "40 reactions wait for a response" in html
    assert "38 reactions have waited too long for a response, the oldest since 28 January 2026, 13:15 UTC" in html
    assert "40 reactions still wait for a response, 38 of them for too long." in html


@pytest.mark.slow
def test_calibration_that_made_things_worse_says_so(figures: dict[str, Any]) -> None:
    model = figures["p_love"] | {"ece_before": 0.0015, "ece_after": 0.0026}
    html = text(figures | {"p_love": model})
    assert "calibration made the chances worse: expected calibration error 0.0015 before, 0.0026 after" in html
    assert "calibration made" not in text(figures | {"p_love": model | {"ece_after": 0.0012}})
    noise = model | {"ece_of_a_perfect_model": 0.002, "ece_of_a_perfect_model_at_most": 0.0033}
    html = text(figures | {"p_love": noise})
    assert "0.0026 after; a perfect model shows 0.0020, at most 0.0033" in html
    assert "On unseen users calibration made" not in html


def test_a_guardrail_that_holds_by_little_is_shown_with_the_digits_to_see_it(figures: dict[str, Any]) -> None:
    guard = figures["experiment"]["guardrails"][0] | {"ratio_ci": [0.6, 1.24996], "state": "held"}
    html = text(figures | {"experiment": figures["experiment"] | {"guardrails": [guard]}})
    assert "0.60 to 1.24996 times" in html
