import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets.report import plots, schema
from assets.report.render import CAPTIONS, render, write_report
from experiments import gates

KEYS = {
    "ingest": {"events_sent", "rows", "duplicates_dropped", "retractions", "late_joined", "dead_letters", "lost"},
    "adversary": {"recall", "honest_loss"},
    "p_love": {"auroc", "auroc_ci", "oracle_auroc", "base_rate", "ece_before", "ece_after", "length_rho"},
    "experiment": {"decision", "lift", "lift_ci", "srm_p", "exposures"},
}
POLICY = {"love_weight", "judges", "love_lift", "love_lift_ci", "closing_rate", "helpfulness_delta", "safety_delta"}


@pytest.mark.slow
def test_every_figure_is_a_png_with_a_caption(images: dict[str, bytes]) -> None:
    assert set(images) == {*CAPTIONS, "group_0"}
    assert all(image.startswith(b"\x89PNG") for image in images.values())


def test_a_report_is_one_page_that_fetches_nothing(
    report: schema.Report, images: dict[str, bytes], page: Any, tmp_path: Path
) -> None:
    written = write_report(report, {name: image for name, image in images.items() if name != "bots"}, tmp_path / "run")
    read = page(written.html.read_text())
    assert (read.fetched, read.open, read.tags["img"]) == ([], [], 18)
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


def test_no_group_is_said_together_with_what_that_means(figures: dict[str, Any], caught: dict[str, Any]) -> None:
    nobody = figures | {"adversary": caught | {"groups": []}}
    html = render(schema.from_plain(nobody), {})
    assert "No group was found in 2 judged days" in html
    assert "stays undetected below 8.8 loves each" in html
    html = render(schema.from_plain(figures | {"adversary": caught | {"groups": [], "days": []}}), {})
    assert "No day was judged" in html


def test_a_figure_of_a_group_that_the_report_does_not_have_is_refused(report: schema.Report) -> None:
    with pytest.raises(ValueError, match="group_1"):
        render(report, {"group_1": b"\x89PNG"})


def test_a_report_from_before_the_section_still_reads(figures: dict[str, Any], page: Any) -> None:
    html = render(schema.from_plain(figures | {"adversary": {"recall": 0.8, "honest_loss": 0.005}}), {})
    assert "80.0%" in html
    assert page(html).open == []


def test_a_run_without_an_experiment_still_has_a_page(bare: dict[str, Any], page: Any) -> None:
    html = render(schema.from_plain(bare), {})
    assert "No candidate was staged in this run" in html
    assert "The A/B test" not in html
    assert page(html).open == []


def test_text_from_the_data_cannot_become_markup(bare: dict[str, Any]) -> None:
    html = render(schema.from_plain(bare | {"name": "<script>alert(1)</script>"}), {})
    assert "<script>" not in html


def test_a_figure_without_a_place_is_refused_before_anything_is_written(report: schema.Report, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"figures \['pie'\] have no place"):
        write_report(report, {"pie": b"\x89PNG"}, tmp_path / "new")
    with pytest.raises(ValueError, match="must be the bytes of a PNG"):
        write_report(report, {"pareto": b"<svg>"}, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_missing_key_is_named(figures: dict[str, Any]) -> None:
    del figures["ingest"]["lost"]
    with pytest.raises(msgspec.ValidationError, match="lost"):
        schema.from_plain(figures)


def test_reliability_without_a_bin_is_refused() -> None:
    with pytest.raises(ValueError, match="none with a response"):
        plots.reliability([plots.PlottedBin(0.0, 0, 5)])


@pytest.mark.slow
def test_reading_a_report_loads_no_plotting_library() -> None:
    check = (
        "import sys, assets.report.render, assets.report.plots; assert not {'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, timeout=60)


def test_a_gate_without_labels_is_shown_as_not_measured(figures: dict[str, Any]) -> None:
    row = {"love_lift_ci": [0.2, 0.4], "closing_delta_ci": [-0.01, 0.0], "length": 20.0}
    how: dict[str, Any] = {"p_love": {"auroc_ci": (0.6, 0.7)}, "unlabelled": ["helpfulness", "safety"]}
    candidate = figures["candidate"] | {"gates": [e._asdict() for e in gates.check(row, {"length": 21.0}, **how)]}
    html = render(schema.from_plain(figures | {"candidate": candidate}), {})
    assert html.count('<td class="words">not measured</td>') == 2
    assert "passed all 4 gates (not measured, for want of labels: helpfulness, safety)" in html
