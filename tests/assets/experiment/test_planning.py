"""What a plan says and notes before the first exposure, and what is no plan."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.experiment import control
from tests.assets.experiment.conftest import (
    CANDIDATE,
    NOON,
    Clock,
    begun,
    events,
    loveloop,
    refused,
    said,
    state,
    store,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def test_a_plan_says_what_each_lift_needs_and_warns_where_no_plan_can_work(empty: Path) -> None:
    now = datetime.now(UTC)
    store(empty, events(lambda _: None, range(400), begin=now - timedelta(hours=47)))
    asked = ("--lift", "0.3", "--history-days", 4, "--decides", "lovers")
    page = said(loveloop("experiment", "plan", "warmer", *asked, warehouse=empty))
    heads, *rows = [line for line in page.splitlines() if line.startswith(("lift ", "+"))]
    assert heads.split()[:3] == ["lift", "design", "lovers"]
    assert {row.split()[0] for row in rows} == {"+5%", "+10%", "+20%", "+28%", "+30%", "+50%"}
    assert "decides      lovers: asked for" in page
    assert "shows        +30% with a chance of 80%" in page
    assert "warning      +5% is never shown by first lovers at 100% coverage" in page
    assert page.splitlines()[-1].startswith("next         loveloop experiment start warmer --bundle control=FOLDER")


def test_a_plan_counts_on_the_users_whom_its_range_and_the_holdout_leave(empty: Path) -> None:
    store(empty, events(lambda _: None, range(400), begin=datetime.now(UTC) - timedelta(hours=47)))
    part = ("--namespace", "tone", "--range", 0, 0.5, "--holdout", 0.2, "--decides", "lovers")
    page = said(loveloop("experiment", "plan", "warmer", "--history-days", 4, *part, warehouse=empty))
    assert "is never shown by first lovers at 40% coverage" in page


def test_a_plan_from_a_young_log_counts_on_the_days_that_there_are(empty: Path) -> None:
    store(empty, events(lambda _: None, range(2_000), begin=datetime.now(UTC) - timedelta(hours=47)))
    pages = [
        said(loveloop("experiment", "plan", "warmer", "--history-days", days, warehouse=empty)) for days in (2, 28)
    ]
    young, old = ([line.split() for line in page.splitlines() if line.startswith("+50%  clustered")] for page in pages)
    assert young == old != []
    assert "note         the log holds 2 of the last 28 days: they are counted on" in pages[1]


def test_without_traffic_a_plan_is_made_and_says_that_it_knows_nothing(empty: Path) -> None:
    page = said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    assert "nothing is known of your traffic: first lovers are exact at any rate" in page
    assert "note         no forecast from the last 28 days: " in page


def test_a_plan_may_be_made_anew_until_it_is_started_and_never_after(empty: Path, clock: type[Clock]) -> None:
    said(loveloop("experiment", "plan", "warmer", "--lift", "0.2", warehouse=empty))
    begun(empty, CANDIDATE, "--lift", "0.4")
    assert state(empty)["lift"] == 0.4
    clock.moment += timedelta(hours=1)
    for _ in range(2):
        words = refused(loveloop("experiment", "plan", "warmer", "--lift", "0.1", warehouse=empty))
        assert words.startswith("experiment 'warmer' is started since 2026-03-02 12:00: what was planned before")
    assert (state(empty)["lift"], len(state(empty)["changes"])) == (0.4, 3)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--share", "a=0.7", "--share", "b=0.6"), "must name 'control'"),
        (("--share", "control=0.5", "--share", "control=0.3"), "--share names 'control' more than once"),
        (("--power", "0.05"), "must be above alpha"),
        (("--stage", "0.4", "--stage", "0.1"), "must rise to at most 0.5"),
        (("--stage", "0.6"), "must rise to at most 0.5"),
        (("--guardrail", "hugs=1.2"), "no such metric in the log, must be one of loves_per_exposure"),
        (("--guardrail", "unsafe_per_exposure=1.2"), "no such metric in the log"),
        (("--guardrail", "returns=1.2"), "must be 1 or less where more are better"),
        (("--namespace", "tone", "--range", 0.6, 0.5), "must hold users: start below end"),
        (("--range", 0.0, 0.5), "of no namespace: name it"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_and_not_noted(empty: Path, options: tuple[object, ...], rule: str) -> None:
    assert rule in refused(loveloop("experiment", "plan", "warmer", *options, warehouse=empty))
    assert control.every(empty) == []


def test_a_forecast_counts_on_the_power_the_cap_and_the_treatments_that_are_planned(empty: Path) -> None:
    # by a clock of its own: where the second day brings nobody new, no plan is ever met, which hung on the hour
    store(empty, events(lambda _: None, range(2_000), visits=4, loved={"": 0.3}))
    common = ("experiment", "plan", "warmer", "--lift", 0.5, "--history-days", 2, "--decides", "ratio", "--json",
              "--at", (NOON + timedelta(hours=24)).isoformat())  # fmt: skip

    def needed(*asked: object) -> tuple[dict[str, int], list[str]]:
        made = json.loads(said(loveloop(*common, *asked, warehouse=empty)))
        rows = {row[1].removesuffix(" *"): int(row[5].replace(",", "")) for row in made["forecast"] if row[0] == "+50%"}
        return rows, made["told"]

    usual, _ = needed()
    sure, _ = needed("--power", 0.95)
    assert all(sure[design] > 1.3 * usual[design] for design in usual)
    bound, _ = needed("--cap", 1)
    assert bound["first lovers"] == usual["first lovers"]
    assert bound["clustered ratio"] > 1.2 * usual["clustered ratio"]
    three, told = needed("--share", "control=0.4", "--share", "a=0.4", "--share", "b=0.2", "--stage", 0.1)
    assert three["clustered ratio"] > usual["clustered ratio"]
    assert any(each.startswith("forecast for b, the smallest of 2 treatments, against control") for each in told)
