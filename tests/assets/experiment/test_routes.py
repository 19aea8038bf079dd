"""Who is to be served what, as whoever serves reads it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from streams.assignment import Layout
from tests.assets.experiment.conftest import CANDIDATE, Clock, begun, events, in_turn, loveloop, said, store
from warehouse.experiment_users import experiment_users

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def layout_of(routes: Path) -> Layout:
    """Whoever serves builds it from the file alone."""
    (told,) = json.loads(routes.read_text())["experiments"]
    of = {key: told[key] for key in ("salt", "arms", "coverage", "namespace", "start", "end", "holdout")}
    return Layout(experiment=told["name"], **of)


def test_who_follows_the_routes_serves_the_arms_that_the_reading_expects(
    empty: Path, clock: type[Clock], tmp_path: Path
) -> None:
    routes = tmp_path / "routes.json"
    said(loveloop("experiment", "plan", "warmer", "--holdout", "0.1", warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={CANDIDATE}", "--coverage", "0.4")
    said(loveloop("experiment", "start", "warmer", *served, "--routes", routes, warehouse=empty))
    assert not list(tmp_path.glob("routes.json?*")), "no part of it is left"
    places = []
    for _ in range(2):
        layout = layout_of(routes)
        places.append({user: layout.place(f"u{user}") for user in range(1_000)})
        inside = [user for user, place in places[-1].items() if place in layout.arms]
        store(empty, events(places[-1].__getitem__, inside, begin=clock.moment + timedelta(minutes=5)))
        clock.moment += timedelta(hours=25)
        grown = ("experiment", "ramp", "warmer", "--to", "0.5", "--routes", routes)
        said(loveloop(*grown, warehouse=empty))
    first, second = places
    assert {user: second[user] for user, place in first.items() if place != "out"} == {
        user: place for user, place in first.items() if place != "out"
    }, "a wider coverage adds users and moves none"
    assert sum(place == "out" for place in second.values()) == 0
    sums = experiment_users(empty, "warmer", arms=("control", "treatment"))
    read = dict(zip(sums.raw["user_id"].to_pylist(), sums.raw["arm"].to_pylist(), strict=True))
    assert read == {f"u{user}": place for user, place in second.items() if place != "holdout"}
    assert sums.in_several_arms == 0
    facts = json.loads(said(loveloop("experiment", "read", "warmer", "--json", warehouse=empty)))
    assert facts["srm_sequential_p"] > 0.05


def test_a_rollback_is_routed_though_a_folder_of_another_experiment_was_changed(empty: Path, folder: Path) -> None:
    routes = empty.with_name("routes.json")
    begun(empty, folder, name="other")
    begun(empty)
    (folder / "card.json").write_text("changed")
    done = loveloop("experiment", "rollback", "warmer", "--why", "tone", "--routes", routes, warehouse=empty)
    assert "other is left out, nobody is in it: " in said(done)
    told = json.loads(routes.read_text())
    assert told["experiments"] == []
    assert [each["name"] for each in told["left_out"]] == ["other"]


def test_an_archived_experiment_is_routed_to_nobody_and_stays_readable(empty: Path, tmp_path: Path) -> None:
    routes = tmp_path / "routes.json"
    begun(empty)
    store(empty, events(in_turn, range(20)))
    said(loveloop("experiment", "status", "--routes", routes, warehouse=empty))
    assert [each["name"] for each in json.loads(routes.read_text())["experiments"]] == ["warmer"]
    line = said(loveloop("experiment", "archive", "warmer", "--why", "over", "--routes", routes, warehouse=empty))
    assert "warmer is archived: everybody is served incumbent\n" in line
    assert json.loads(routes.read_text())["experiments"] == []
    page = said(loveloop("experiment", "read", "warmer", warehouse=empty))
    assert "decision     stop" in page
