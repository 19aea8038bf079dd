import json
import subprocess
import sys
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from assets.report import adversary_plots, convert, group_plot, plots, schema
from assets.report.render import CAPTIONS, render, write_report
from experiments import gates, ledger
from experiments.plan import Guardrail, Plan
from experiments.readout import read

KEYS = {
    "ingest": {"events_sent", "rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters", "lost"},
    "adversary": {"recall", "honest_loss"},
    "p_love": {"auroc", "auroc_ci", "oracle_auroc", "base_rate", "ece_before", "ece_after", "length_rho"},
    "experiment": {"decision", "lift", "lift_ci", "srm_p", "exposures"},
}
POLICY = {"love_weight", "judges", "love_lift", "love_lift_ci", "closing_rate", "helpfulness_delta", "safety_delta"}


def experiment() -> dict[str, Any]:
    """A readout of a small A/B test, as a run would record it."""
    plan = Plan(exposures=10_000, shares={"control": 0.5, "treatment": 0.5})
    loves = [int(user % 40 < 2 + user % 2 * 2) for user in range(4_000)]
    columns = {
        "arm": ["control", "treatment"] * 2_000,
        "exposures": [5] * 4_000,
        "loves": loves,
        "closings": [0] * 4_000,
    }
    users = pa.table({"user_id": range(4_000), **columns})
    found = read(users, plan, guardrails=[Guardrail("closings", 0.01, "needless closings")])
    return convert.experiment(found, plan, name="ab-1", true_lift=0.8)


def figures() -> dict[str, Any]:
    row = {
        "love_lift": 0.3,
        "love_lift_ci": [0.2, 0.4],
        "helpfulness_delta": -0.005,
        "helpfulness_delta_ci": [-0.01, 0.0],
        "safety_delta": 0.01,
        "safety_delta_ci": [0.0, 0.02],
        "closing_delta_ci": [-0.01, 0.0],
        "closing_rate": 0.0065,
        "length": 20.0,
    }
    passed = gates.check(row, {"length": 21.0}, p_love={"auroc_ci": (0.6, 0.7)})
    booked = ledger.row(
        "love-0.1",
        predicted_lift=0.3,
        measured_lift=0.9,
        measured_ci=(0.2, 1.9),
        experiment="ab-1",
        day=date(2026, 3, 2),
    )
    policy = {name: value for name, value in row.items() if name in schema.Policy.__struct_fields__}
    return {
        "name": "small",
        "created_at": "2026-03-02T10:00:00+00:00",
        "source": "a synthetic world",
        "ingest": dict.fromkeys(KEYS["ingest"], 7) | {"lost": 0},
        "adversary": caught(),
        "p_love": dict.fromkeys(KEYS["p_love"], 0.6) | {"auroc_ci": [0.58, 0.62]},
        "policies": [policy | {"love_weight": 0.1, "judges": ["closing"], "chosen": True, "true_love_lift": 0.28}],
        "candidate": {
            "name": "love-0.1",
            "love_weight": 0.1,
            "passed": True,
            "gates": [each._asdict() for each in passed],
        },
        "experiment": experiment(),
        "ledger": [booked._asdict()],
        "ledger_agreement": {
            "r": None,
            "r_ci": None,
            "passed": False,
            "words": ledger.agreement([booked._asdict()]).words,
        },
        "seconds": {"ingest": 12.0, "p_love": 61.0},
        "versions": {"python": "3.11"},
        "commands": ["make demo"],
    }


def caught() -> dict[str, Any]:
    """What the filter did: two rules, two days, and a group of three that met on one question, twice."""
    met = [(account, 0, f"2026-02-0{day}T10:0{account}:00+00:00") for day in (2, 4) for account in range(3)]
    group = {
        "name": "lockstep-1",
        "rule": "lockstep",
        "members": 3,
        "score": 4.2,
        "surprise": 69.1,
        "density": None,
        "line": None,
        "flagged_at": "2026-02-03T00:00:00+00:00",
        "begins": met[0][2],
        "ends": met[-1][2],
        "objects": [{"side": "prompt", "words": "what's new?", "accounts": 3, "loves": 6}],
        "loves": [*met, (1, None, "2026-02-05T09:00:00+00:00")],
        "ties": [(0, 1, 30.0), (0, 2, 25.0), (1, 2, 14.1)],
    }
    day = {"users": 9, "loves": 30, "flags": {"lockstep": 3}, "cpu_s": 0.4}
    return {
        "recall": 0.8,
        "honest_loss": 0.005,
        "recall_by_attack": {"lockstep_farm": 0.9, "slow_drip": 0.7},
        "loves": 200,
        "left_out": 12.5,
        "left_out_by_rule": {"lockstep": 7.0, "weighed down": 5.5},
        "users": 100,
        "users_aside": 3,
        "users_by_rule": {"lockstep": 3},
        "reactions_aside": 0,
        "released": 0,
        "confirmed": 0,
        "trust": [0, 1, 0, 0, 0, 0, 0, 0, 2, 0],
        "days": [day | {"day": "2026-02-02"}, day | {"day": "2026-02-03", "flags": {}}],
        "groups": [group],
        "sentences": ["A block of 20 accounts stays undetected below 8.8 loves each."],
        "dial": 0.01,
    }


def bare() -> dict[str, Any]:
    """A run that got no further than its events."""
    nothing = dict.fromkeys(("adversary", "p_love", "candidate", "experiment", "ledger_agreement"))
    return figures() | nothing | {"policies": [], "ledger": []}


def drawn(report: schema.Report) -> dict[str, bytes]:
    assert report.experiment is not None
    days = [date(2026, 2, 1) + timedelta(days=day) for day in range(9)]
    bins = [plots.Bin(0.001 * 2**place, place * 3, 1_000) for place in range(8)]
    rates = {"mean_p_love": 0.01, "love_rate": 0.012, "love_rate_ci": (0.01, 0.02)}
    return {
        "love_by_day": plots.love_by_day(days, [900] * 8 + [0], [9] * 8 + [0]),
        "reliability": plots.reliability(bins, bins[:3]),
        "pareto": plots.pareto(report.policies),
        "experiment": plots.experiment_forest(report.experiment),
        "ledger": plots.predicted_against_measured(report.ledger),
        "bots": plots.bots([schema.Bot(name="a", responses=9, **rates)]),
        "seconds": plots.seconds(report.seconds),
        **adversaries(report),
    }


def adversaries(report: schema.Report) -> dict[str, bytes]:
    found = report.adversary
    assert found is not None
    assert found.loves is not None
    assert found.honest_loss is not None
    return {
        "left_out": adversary_plots.left_out(found.left_out_by_rule, found.loves),
        "attacks": adversary_plots.attacks(found.recall_by_attack, found.honest_loss),
        "trust": adversary_plots.trust(found.trust),
        "judged_days": adversary_plots.judged_days(found.days),
        "group_0": group_plot.group(found.groups[0]),
    }


class Page(HTMLParser):
    """Collects what a page would fetch, its images, and whether its tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.images = 0
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.images += tag == "img"
        self.fetched += [
            str(value) for name, value in attrs if name in ("src", "href") and not str(value).startswith("data:")
        ]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report() -> schema.Report:
    return schema.from_plain(figures())


@pytest.fixture(scope="module")
def images(report: schema.Report) -> dict[str, bytes]:
    return drawn(report)


def test_every_figure_is_a_png_with_a_caption(images: dict[str, bytes]) -> None:
    assert set(images) == {*CAPTIONS, "group_0"}
    assert all(image.startswith(b"\x89PNG") for image in images.values())


def test_a_report_is_one_page_that_fetches_nothing(
    report: schema.Report, images: dict[str, bytes], tmp_path: Path
) -> None:
    written = write_report(report, {name: image for name, image in images.items() if name != "bots"}, tmp_path / "run")
    page = Page(written.html.read_text())
    assert (page.fetched, page.open, page.images) == ([], [], 11)
    assert "url(" not in written.html.read_text()
    assert "@import" not in written.html.read_text()
    assert sorted(path.name for path in written.html.parent.iterdir()) == ["report.html", "report.json"]


def test_report_json_has_the_promised_keys_and_reads_back(report: schema.Report, tmp_path: Path) -> None:
    path = write_report(report, {}, tmp_path).json
    values = json.loads(path.read_text())
    for part, keys in KEYS.items():
        assert keys <= set(values[part])
    assert set(values["policies"][0]) >= POLICY
    assert {"candidate", "ledger", "seconds", "versions"} <= set(values)
    assert schema.read(path) == report


def test_the_page_says_the_runs_own_figures(report: schema.Report) -> None:
    html = render(report, {})
    test = report.experiment
    assert test is not None
    assert test.lift is not None
    assert f"{test.lift:+.1%}" in html
    assert "0.65%" in html
    assert "\N{MINUS SIGN}0.005" in html


def test_a_group_is_told_in_words_beside_its_picture(report: schema.Report, images: dict[str, bytes]) -> None:
    html = render(report, images)
    assert "3 accounts within 2 days, from 2 February 10:00 on." in html
    assert "6 of their 7 loves are on one thing that more than one of them loved" in html
    assert "1 in 10^30" in html
    assert "what's new?" in html  # as it was said: an erasure looks for it letter by letter


def test_no_group_is_said_together_with_what_that_means() -> None:
    nobody = figures() | {"adversary": caught() | {"groups": []}}
    html = render(schema.from_plain(nobody), {})
    assert "No group was found in 2 judged days" in html
    assert "stays undetected below 8.8 loves each" in html
    html = render(schema.from_plain(figures() | {"adversary": caught() | {"groups": [], "days": []}}), {})
    assert "No day was judged" in html


def test_a_figure_of_a_group_that_the_report_does_not_have_is_refused(report: schema.Report) -> None:
    with pytest.raises(ValueError, match="group_1"):
        render(report, {"group_1": b"\x89PNG"})


def test_a_report_from_before_the_section_still_reads() -> None:
    html = render(schema.from_plain(figures() | {"adversary": {"recall": 0.8, "honest_loss": 0.005}}), {})
    assert "80.0%" in html
    Page(html)


def test_a_run_without_an_experiment_still_has_a_page() -> None:
    html = render(schema.from_plain(bare()), {})
    assert "No candidate was staged in this run" in html
    assert "The A/B test" not in html
    Page(html)


def test_a_gate_without_labels_is_shown_as_not_measured() -> None:
    row = {"love_lift_ci": [0.2, 0.4], "closing_delta_ci": [-0.01, 0.0], "length": 20.0}
    how: dict[str, Any] = {"p_love": {"auroc_ci": (0.6, 0.7)}, "unlabelled": ["helpfulness", "safety"]}
    candidate = figures()["candidate"] | {"gates": [e._asdict() for e in gates.check(row, {"length": 21.0}, **how)]}
    html = render(schema.from_plain(figures() | {"candidate": candidate}), {})
    assert html.count('<td class="">not measured</td>') == 2
    assert "passed all 4 gates (not measured, for want of labels: helpfulness, safety)" in html


def test_text_from_the_data_cannot_become_markup() -> None:
    html = render(schema.from_plain(bare() | {"name": "<script>alert(1)</script>"}), {})
    assert "<script>" not in html


def test_a_figure_without_a_place_is_refused_before_anything_is_written(report: schema.Report, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"figures \['pie'\] have no place"):
        write_report(report, {"pie": b"\x89PNG"}, tmp_path / "new")
    with pytest.raises(ValueError, match="must be the bytes of a PNG"):
        write_report(report, {"pareto": b"<svg>"}, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_missing_key_is_named() -> None:
    values = figures()
    del values["ingest"]["lost"]
    with pytest.raises(msgspec.ValidationError, match="lost"):
        schema.from_plain(values)


def test_reliability_without_a_bin_is_refused() -> None:
    with pytest.raises(ValueError, match="none with a response"):
        plots.reliability([plots.Bin(0.0, 0, 5)])


def test_reading_a_report_loads_no_plotting_library() -> None:
    check = (
        "import sys, assets.report.render, assets.report.plots; assert not {'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)
