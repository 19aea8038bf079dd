"""What the plots draw, read from their axes."""

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assets.facts.experiment import ReportExperiment
from assets.report import (
    adversary_plots,
    curves_plot,
    experiment_plots,
    group_plot,
    plots,
    reward_plots,
    rounds_plot,
    schema,
    style,
)
from assets.report.adversary_schema import JudgedDay


@pytest.mark.slow
@pytest.mark.parametrize("most", [5, 8, 9])
def test_dates_are_ticked_without_a_warning_however_long_they_span(most: int) -> None:
    begin = datetime(2026, 1, 30, 9, 17, tzinfo=UTC)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for place in range(60):
            figure, drawn = style.canvas()
            drawn.set_xlim(begin, begin + timedelta(minutes=2 * 1.25**place))
            style.dates(drawn, most)
            assert 1 <= len(drawn.xaxis.get_major_locator()()) <= most + 2
            figure.clear()


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The first axes of every figure that is drawn."""
    seen: list[Any] = []

    def keep(figure: Any) -> bytes:
        seen.append(figure.axes[0])
        return b"\x89PNG"

    for module in (plots, adversary_plots, curves_plot, experiment_plots, group_plot, reward_plots, rounds_plot):
        monkeypatch.setattr(module, "png", keep)
    return seen


def test_bins_without_a_love_are_limits_and_no_line_joins_the_others(axes: list[Any]) -> None:
    plots.reliability(
        [plots.PlottedBin(0.001, 0, 400), plots.PlottedBin(0.01, 3, 400), plots.PlottedBin(0.05, 30, 400)]
    )
    drawn = {line.get_label(): line for line in axes[0].get_lines()}
    limits = drawn["none came true: at most"]
    assert limits.get_xdata().tolist() == [0.001]
    assert limits.get_ydata()[0] > 0.005
    (points,) = axes[0].containers
    assert points[0].get_xdata().tolist() == [0.01, 0.05]
    assert points[0].get_linestyle() == "None"


def test_a_user_stands_once_among_the_newly_flagged(axes: list[Any]) -> None:
    days = [
        JudgedDay(day=f"2026-02-0{day}", users=9, loves=3, flags={"a": 2, "b": 2}, cpu_s=0.1, first_flagged=first)
        for day, first in ((1, {"several rules": 2}), (2, {"a": 1}))
    ]
    adversary_plots.judged_days(days)
    assert sum(bar.get_height() for bar in axes[0].patches) == 3


@pytest.mark.parametrize(
    ("flagged_at", "words"),
    [
        ("2026-02-03T09:00:00+00:00", "put aside 3 February 09:00"),
        ("2026-02-09T23:59:59+00:00", "put aside 9 February 23:59 \N{RIGHTWARDS ARROW}"),
        ("2026-01-20T09:36:00+00:00", "\N{LEFTWARDS ARROW} put aside 20 January 09:36"),
    ],
)
def test_the_axis_of_a_group_fits_its_marks_wherever_the_flag_lies(
    report: schema.Report, axes: list[Any], flagged_at: str, words: str
) -> None:
    import msgspec
    from matplotlib.dates import date2num

    assert report.adversary is not None
    found = msgspec.structs.replace(report.adversary.groups[0], flagged_at=flagged_at)
    group_plot.group(found)
    left, right = axes[0].get_xlim()
    first, last = (date2num(datetime(2026, 2, day, hour, tzinfo=UTC)) for day, hour in ((2, 10), (5, 9)))
    assert first - 0.2 < left < first
    assert last < right < last + 0.2
    assert words in [each.get_text() for each in axes[0].texts]


def test_a_ledger_row_without_a_lift_is_no_mark_at_nothing(axes: list[Any]) -> None:
    row: dict[str, Any] = {
        "candidate": "a",
        "measured_low": None,
        "measured_high": None,
        "experiment": "e",
        "date": "2026-03-02",
    }
    plots.predicted_against_measured([schema.LedgerRow(predicted_lift=0.3, measured_lift=None, **row)])
    assert not axes[0].containers


def test_an_open_interval_is_not_drawn_as_a_point_of_certainty(axes: list[Any]) -> None:
    experiment_plots.forest(ReportExperiment(decision="continue", lift=0.1, lift_ci=(0.0, 0.2), anytime_ci=(-1, None)))
    assert [each.get_text() for each in axes[0].texts] == ["no upper limit \N{RIGHTWARDS ARROW}"]


def test_the_rounds_of_a_policy_are_drawn_against_what_the_first_one_drew(axes: list[Any]) -> None:
    def task(name: str, sampled: float, chosen: float) -> dict[str, Any]:
        return {"task": name, "sampled": {name: sampled, "other": 9.0}, "chosen": {name: chosen, "other": 9.0}}

    first = {"round": 1, "tasks": [task("love", -3.0, -2.5), task("safety", 1.0, 1.5)]}
    second = {"round": 2, "tasks": [task("love", -2.75, -2.0), task("safety", 1.25, 2.0)]}
    rounds_plot.rounds([first, second])
    lines = axes[0].get_lines()
    drawn = {line.get_label(): line.get_ydata() for line in lines}
    assert list(drawn["love"]) == list(drawn["safety"]) == [0.0, 0.25]
    assert [list(line.get_ydata()) for line in lines if line.get_marker() == "^"] == [[0.5, 1.0], [0.5, 1.0], []]
    assert rounds_plot.rounds([{"round": 1, "tasks": []}]) is None


def test_curves_of_one_kind_share_a_plot_and_steps_of_two_rounds_are_not_joined(axes: list[Any]) -> None:
    def points(*within: str) -> list[curves_plot.Point]:
        return [curves_plot.Point(minute, -minute, round_) for minute, round_ in enumerate(within)]

    loss = points("round 1", "round 1", "round 2", "round 2")
    reward = points("round 1", "round 2")
    curves_plot.curves({"loss": loss, "love reward": reward, "safety reward": reward})
    every = axes[0].figure.axes
    assert [each.get_title() for each in every] == ["loss", "reward"]
    assert [list(line.get_xdata()) for line in every[0].lines] == [[0, 1], [2, 3]]
    assert {line.get_label(): list(line.get_xdata()) for line in every[1].lines} == {"love": [0, 1], "safety": [0, 1]}
    (legend,) = axes[0].figure.legends
    assert [each.get_text() for each in legend.get_texts()] == ["love", "safety"]


def test_the_pareto_has_a_panel_for_each_of_helpfulness_and_safety_and_hollow_dots_for_the_beaten(
    report: schema.Report, axes: list[Any]
) -> None:
    import msgspec

    (staged,) = report.policies
    beaten = msgspec.structs.replace(staged, love_weight=0.0, love_lift=0.1, chosen=False, beaten_by=["love-0.1"])
    plots.pareto([beaten, staged])
    helpfulness, safety = axes[0].figure.axes
    assert [each.get_xlabel() for each in (helpfulness, safety)] == [
        "change of mean helpfulness",
        "change of mean safety",
    ]
    for panel in (helpfulness, safety):
        dots = {
            line.get_ydata()[0]: line
            for line in panel.get_lines()
            if line.get_marker() == "o" and len(line.get_xdata())
        }
        assert dots[0.1].get_markerfacecolor() == "white"
        assert dots[0.3].get_markerfacecolor() == style.LOVE
        assert {text.get_text() for text in panel.texts} == {"0", "0.1 (staged)"}
    plots.pareto([msgspec.structs.replace(staged, safety_delta=None)])
    assert len(axes[1].figure.axes) == 1


EFFECTS = [
    {"edit": "closing appended", "shift": 0.8, "error": 0.05, "rows": 400, "hack": "closing", "sign": 1},
    {"edit": "closing removed", "shift": None, "error": None, "rows": 0, "hack": "closing", "sign": -1},
    {"edit": "emoji appended", "shift": -0.1, "error": 0.05, "rows": 400, "hack": "emoji", "sign": 1},
]
WEEKS = [
    {"value": "2026-01-05", "offset": 0.1, "offset_ci": [-0.1, 0.3], "auroc": 0.8, "auroc_ci": [0.7, 0.9]},
    {"value": "2026-01-12", "offset": 0.9, "offset_ci": [0.6, 1.2], "auroc": None, "auroc_ci": [None, None]},
]


def test_an_audit_has_a_bar_for_each_edit_that_changed_something(axes: list[Any]) -> None:
    reward_plots.audit(EFFECTS, 0.1)
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["closing appended (400)", "emoji appended (400)"]
    assert [float(bar.get_width()) for bar in axes[0].containers[0]] == [0.8]
    assert [float(bar.get_width()) for bar in axes[0].containers[2]] == [-0.1]


def test_a_week_that_alarms_is_filled_and_one_without_auroc_has_no_point_there(axes: list[Any]) -> None:
    reward_plots.weeks(WEEKS, 0.2, ["week of 2026-01-12: 2.5 times"])
    left, right = axes[0].figure.axes
    faces = [line.get_markerfacecolor() for line in left.lines if line.get_marker() == "o"]
    assert faces == ["white", style.LOVE]
    assert len([line for line in right.lines if line.get_marker() == "o"]) == 1


def test_curves_and_slices_draw_what_is_given(axes: list[Any]) -> None:
    roc, pr = [(0.0, 0.0), (0.2, 0.7), (1.0, 1.0)], [(0.5, 0.4), (1.0, 0.1)]
    reward_plots.curves(roc, pr, auroc="0.8", average="0.3", rate=0.1)
    assert axes[0].lines[1].get_xydata().tolist() == [list(each) for each in roc]
    assert axes[0].figure.axes[1].lines[0].get_ydata() == [0.1, 0.1]
    unknown = {"dimension": "place", "value": "turn 1", "offset": None, "offset_ci": [None, None]}
    known = {"dimension": "place", "value": "turn 2", "offset": 0.1, "offset_ci": [0.0, 0.2]}
    reward_plots.slices([unknown, known], 0.2)
    assert [text.get_text() for text in axes[1].get_yticklabels()] == ["place: turn 2"]
