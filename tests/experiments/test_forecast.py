import inspect
import math

import numpy as np
import pytest

from experiments.boundaries import planned_information
from experiments.forecast import HEADS, Forecast, forecast, reestimate
from experiments.lover_counts import lovers_about
from experiments.requirement import LONGEST, Requirement, Terms, required
from experiments.traffic import Traffic, window


def one_each(*, loves: int = 500, people: int = 500_000, days: int = 10) -> Traffic:
    """Everybody comes once."""
    return window(np.arange(people) < loves, np.ones(people), np.full(days, people // days))


def heavy(*, rate: float = 0.05, people: int = 8_000, seed: int = 0) -> Traffic:
    """Two weeks of users of very different activity and taste, most of whom are there from the start."""
    random = np.random.default_rng(seed)
    exposures = 1 + random.poisson(50 * random.lognormal(-1.1, 1.5, people))
    loves = random.binomial(exposures, np.minimum(rate * random.lognormal(-1.1, 1.5, people), 0.5))
    return window(loves, exposures, [people - 1_300, *[100] * 13])


def row(found: Forecast, design: str, lift: float) -> Requirement:
    return next(each for each in found.rows if each.design == design and each.lift == lift)


@pytest.mark.parametrize(("lift", "lovers"), [(0.28, 519), (0.097, 3_666)])
def test_the_walks_plan_is_the_published_number_of_lovers_for_looking_at_any_time(lift: float, lovers: int) -> None:
    assert lovers_about(lift) == pytest.approx(1.33 * lovers, rel=0.015)


def test_an_uneven_split_takes_more_lovers() -> None:
    assert lovers_about(0.28, treatment_share=0.1) > 2 * lovers_about(0.28)
    assert lovers_about(0.28, treatment_share=0.1) * 0.9 * 0.1 == pytest.approx(lovers_about(0.28) / 4, rel=0.2)


def test_both_plans_ask_for_the_same_information() -> None:
    """Of a walk of m lovers in equal arms the log ratio has information m / 4."""
    assert planned_information(0.1) == pytest.approx(lovers_about(0.1) / 4, rel=0.01)


def test_where_users_come_once_both_designs_need_the_exposures_of_the_textbook() -> None:
    """At .1 % and +28 %: 227,995 an arm for one look (`power.exposures_per_arm`), 1.32 times that for the boundary."""
    found = forecast(one_each(), lifts=[0.28])
    for design in ("first lovers", "clustered ratio"):
        needed = row(found, design, 0.28)
        assert needed.exposures == pytest.approx(2 * 227_995 * 1.25 * 1.057, rel=0.03)
        assert needed.users == pytest.approx(needed.exposures)
        assert needed.days == pytest.approx(needed.exposures / 50_000)
        assert needed.lovers == pytest.approx(lovers_about(0.28), rel=0.03)


def test_few_repeats_let_first_lovers_decide_and_many_the_ratio() -> None:
    assert forecast(one_each(), lifts=[0.5]).decides == "first lovers"
    often = forecast(heavy(), lifts=[0.5])
    assert often.decides == "clustered ratio"
    assert "less than 0.5" in often.why
    assert forecast(heavy(), lifts=[0.5], variance_left=0.05).decides == "adjusted ratio"


def test_the_planned_exposures_have_the_planned_power() -> None:
    """Loves of both arms at the planned exposures: information as planned, so one look shows the lift in nine of ten.

    It is planned for looking at any time, which one look need not pay for: `Phi(2.802 sqrt(1.32) - 1.96) = .90`.
    """
    random = np.random.default_rng(3)
    needed = row(forecast(one_each(), lifts=[0.28]), "clustered ratio", 0.28)
    arms = needed.by_arm(needed.exposures)
    assert arms is not None
    control = random.binomial(int(arms[0]), 0.001, 4_000)
    treatment = random.binomial(int(arms[1]), 0.00128, 4_000)
    z = np.log(treatment / control) / np.sqrt(1 / treatment + 1 / control)
    assert (z > 1.96).mean() == pytest.approx(0.90, abs=0.03)
    information = 1 / (1 / treatment + 1 / control)
    assert information.mean() == pytest.approx(planned_information(0.28), rel=0.05)


@pytest.mark.slow
def test_the_planned_days_have_the_planned_power_where_users_love_again_and_again() -> None:
    """20,000 heavy users at 2 %: as many lovers as foretold, and the walk's own power, after the days foretold."""
    random = np.random.default_rng(5)
    people, days, lift = 20_000, 14, 0.3
    loves_a_day = 2 * random.lognormal(-1.1, 1.5, people) * 0.02 * random.lognormal(-1.1, 1.5, people)
    loves = random.poisson(loves_a_day * days)
    traffic = window(loves, 60 + loves, [people, *[0] * (days - 1)])
    needed = row(forecast(traffic, lifts=[lift]), "first lovers", lift)
    assert needed.days is not None
    arms = random.random((150, people)) < 0.5
    loved = random.random((150, people)) < -np.expm1(-loves_a_day * needed.days * (1 + lift * arms))
    treatment, control = (loved & arms).sum(axis=1), (loved & ~arms).sum(axis=1)
    assert control.mean() == pytest.approx(needed.control_lovers, rel=0.05)
    assert treatment.mean() == pytest.approx(needed.treatment_lovers, rel=0.05)
    z = (treatment - control) / np.sqrt(treatment + control)
    assert (z > 1.96).mean() == pytest.approx(0.90, abs=0.08)


def test_larger_lifts_need_less_and_less_coverage_takes_longer() -> None:
    wide, narrow = (forecast(one_each(), coverage=coverage) for coverage in (1.0, 0.2))
    days = [each.days for each in wide.recommended]
    assert all(each is not None for each in days)
    assert days == sorted(days, key=lambda each: -(each or 0))
    for one, other in zip(wide.recommended, narrow.recommended, strict=True):
        if other.days is not None:
            assert one.days is not None
            assert other.days == pytest.approx(5 * one.days, rel=0.01)
            assert other.exposures == pytest.approx(one.exposures, rel=0.01)


def test_history_helps_where_users_repeat_themselves() -> None:
    found = forecast(heavy(), lifts=[0.5], variance_left=0.1)
    bare, adjusted = row(found, "clustered ratio", 0.5), row(found, "adjusted ratio", 0.5)
    assert adjusted.exposures is not None
    assert bare.exposures is None or adjusted.exposures < 0.6 * bare.exposures
    nothing = forecast(one_each(), lifts=[0.5], variance_left=0.1)
    assert row(nothing, "adjusted ratio", 0.5).days == pytest.approx(
        row(nothing, "clustered ratio", 0.5).days, rel=0.05
    )


def test_heavy_users_at_a_high_rate_are_warned_of_with_the_cures() -> None:
    found = forecast(heavy(people=3_000), lifts=[0.05], coverage=0.5)
    assert not found.recommended[0].feasible
    (warning,) = found.warnings
    assert warning.startswith("+5% ")
    assert "clustered ratio at 50% coverage" in warning
    assert "history (CUPED) brings it to" in warning
    assert "days at best" in warning
    assert f"the least lift within {LONGEST} days is +" in warning


def test_the_least_lift_that_is_told_can_be_shown() -> None:
    traffic = heavy(people=3_000)
    (warning,) = forecast(traffic, lifts=[0.05]).warnings
    least = int(warning.rpartition("+")[2].rstrip("%")) / 100
    assert forecast(traffic, lifts=[least]).recommended[0].feasible
    assert not forecast(traffic, lifts=[least - 0.02]).recommended[0].feasible


def test_a_superfan_is_capped() -> None:
    people = 40_000
    loves = np.zeros(people)
    loves[:4], loves[4:2_000] = 2_000, 1
    found = forecast(window(loves, loves + 20, np.full(10, people // 10)), lifts=[0.2])
    assert found.decides == "clustered ratio"
    assert "a cap of 1 loves a user brings it to" in found.warnings[0]


def test_more_coverage_is_told_where_it_helps() -> None:
    found = forecast(one_each(), lifts=[0.2], coverage=0.05)
    assert "all users in the test (coverage 100%) brings it to" in found.warnings[0]


def test_a_plan_of_hours_is_told_to_take_whole_weeks() -> None:
    found = forecast(one_each(loves=50_000), lifts=[0.5])
    assert found.recommended[0].feasible
    assert found.warnings == ("+50% in 1 day: run whole weeks all the same, since weekdays differ",)


def test_where_too_few_will_ever_love_it_is_said_that_nothing_helps() -> None:
    found = forecast(window([1] + [0] * 20, [5] * 21, [21, 0, 0, 0, 0, 0, 0]), lifts=[0.05])
    assert found.recommended[0].days is None
    assert "is never shown" in found.warnings[0]
    assert found.warnings[0].endswith("ask for a larger change, or for more users")


def test_the_table_has_a_line_for_each_design_and_lift() -> None:
    found = forecast(one_each(), lifts=[0.28, 0.5], treatment_share=0.2, variance_left=0.9)
    lines = found.table()
    assert len(lines) == 6
    assert {len(line) for line in lines} == {len(HEADS)}
    assert [line[1] for line in lines if line[1].endswith("*")] == ["first lovers *"] * 2
    assert " / " in lines[0][3]
    hopeless = forecast(window([1] + [0] * 20, [5] * 21, [21]), lifts=[0.05]).table()[0]
    assert hopeless[2:] == ("-",) * 5


def test_a_reestimate_with_what_was_planned_on_changes_nothing() -> None:
    traffic = heavy()
    plan = forecast(traffic, lifts=[0.5], variance_left=0.2)
    pooled = plan.base_rate * (1 + 0.5 * 0.5)
    again = reestimate(plan, base_rate=pooled, design_effect=plan.design_effect, day=traffic.days)
    for before, after in zip(plan.rows, again.rows, strict=True):
        assert after.days == pytest.approx(before.days)
    assert again.decides == plan.decides


def test_a_lower_rate_or_more_clustering_takes_longer() -> None:
    plan = forecast(one_each(), lifts=[0.5])
    pooled = 0.001 * 1.25
    half = reestimate(plan, base_rate=pooled / 2, design_effect=1.0, day=5)
    assert half.recommended[0].days == pytest.approx(2 * (plan.recommended[0].days or 0), rel=0.02)
    clustered = reestimate(plan, base_rate=pooled, design_effect=3.0, day=5)
    assert row(clustered, "clustered ratio", 0.5).days == pytest.approx(
        3 * (row(plan, "clustered ratio", 0.5).days or 0), rel=0.02
    )
    assert clustered.recommended[0].days == pytest.approx(plan.recommended[0].days)  # the walk knows no clusters


def test_a_reestimate_is_blind_to_the_arms() -> None:
    assert list(inspect.signature(reestimate).parameters) == ["plan", "base_rate", "design_effect", "day"]


def test_a_reestimate_in_the_middle_keeps_the_level() -> None:
    """No effect, 4,000 tests, each planned anew at half from its pooled rate: 5 % alarms and three errors at most."""
    random = np.random.default_rng(4)
    tests, half = 4_000, 30_000
    truth = 0.002 * random.lognormal(0, 0.5, tests)  # the rate that was planned on is wrong in either direction
    early = random.poisson(truth * half, (2, tests))
    pooled = early.sum(axis=0) / (2 * half)
    terms = [Terms(rate=rate / 1.14, excess=0.0) for rate in np.quantile(pooled, np.linspace(0, 1, 41))]
    traffic = one_each(people=100_000, loves=200)
    planned = [required(traffic, "clustered ratio", 0.28, each).exposures or math.inf for each in terms]
    total = np.interp(pooled, [each.rate * 1.14 for each in terms], planned) / 2
    assert total.max() > 3 * total.min()
    late = random.poisson(truth * np.maximum(np.minimum(total, 2e6) - half, 0), (2, tests))
    control, treatment = early + late
    z = np.log(treatment / control) / np.sqrt(1 / treatment + 1 / control)
    assert (np.abs(z) > 1.96).mean() < 0.05 + 3 * math.sqrt(0.05 * 0.95 / tests)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coverage": 0.0}, r"coverage == 0.0, must be in \(0, 1\]"),
        ({"coverage": math.nan}, "coverage == nan"),
        ({"treatment_share": 1.0}, "treatment_share == 1.0"),
        ({"variance_left": 0.0}, "variance_left == 0.0"),
        ({"lifts": [-0.1]}, "lift == -0.1, must be a positive number"),
        ({"lifts": [math.nan]}, "lift == nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, float], message: str) -> None:
    traffic = one_each(people=1_000, loves=10)
    with pytest.raises(ValueError, match=message):
        forecast(traffic, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("seen", [{"base_rate": 0.0}, {"design_effect": math.nan}, {"day": 0}])
def test_what_cannot_be_seen_in_the_middle_is_refused(seen: dict[str, float]) -> None:
    plan = forecast(one_each(people=1_000, loves=10), lifts=[0.5])
    with pytest.raises(ValueError, match=next(iter(seen))):
        reestimate(plan, **({"base_rate": 0.01, "design_effect": 1.0, "day": 3} | seen))


def test_where_first_lovers_cannot_show_the_planned_lift_a_ratio_that_can_decides() -> None:
    traffic = window(loves=[1] * 200 + [2] * 200 + [0] * 100, exposures=[400] * 500, arrivals=[500] + [0] * 20)
    lovers = forecast(traffic, lifts=[0.4])
    assert (lovers.decides, lovers.recommended[0].feasible) == ("first lovers", False)
    ratio = forecast(traffic, lifts=[0.4], planned=0.4)
    assert (ratio.decides, ratio.recommended[0].feasible) == ("clustered ratio", True)
    assert ratio.why == "first lovers do not show +40% within 182 days, the clustered ratio does"
    assert forecast(one_each(), lifts=[0.5], planned=0.5).decides == "first lovers"


def test_the_star_stands_at_the_test_that_was_asked_for() -> None:
    asked = forecast(one_each(), lifts=[0.5], decides="clustered ratio", planned=0.5)
    assert [row[1] for row in asked.table()] == ["first lovers", "clustered ratio *"]
    assert asked.why == "asked for"


def test_more_power_and_a_smaller_level_take_longer_by_each_design() -> None:
    traffic = heavy()
    usual, sure, strict = (
        forecast(traffic, lifts=[0.5], **settings) for settings in ({}, {"power": 0.95}, {"alpha": 0.01})
    )
    for plain, more, less in zip(usual.rows, sure.rows, strict.rows, strict=True):
        assert (plain.days or 0) < (more.days or 0)
        assert (plain.days or 0) < (less.days or 0)
    once = planned_information(0.5, power=0.95) / planned_information(0.5)
    ratio = row(forecast(one_each(), lifts=[0.5], power=0.95), "clustered ratio", 0.5).days
    assert ratio == pytest.approx(once * (row(forecast(one_each(), lifts=[0.5]), "clustered ratio", 0.5).days or 0))


def test_a_planned_cap_is_counted_on_by_the_ratio_and_not_by_the_walk() -> None:
    traffic = heavy()
    free, bound = forecast(traffic, lifts=[0.5]), forecast(traffic, lifts=[0.5], cap=5)
    assert row(free, "first lovers", 0.5) == row(bound, "first lovers", 0.5)
    calm = traffic.capped(5)
    found = row(bound, "clustered ratio", 0.5).days
    assert found == pytest.approx(row(forecast(calm, lifts=[0.5]), "clustered ratio", 0.5).days, rel=0.01)
    assert found != row(free, "clustered ratio", 0.5).days
    assert forecast(traffic, lifts=[0.5], cap=traffic.loves.max()).rows == free.rows
