"""The life of an experiment: start, stop, roll back, archive; who may change what, and what is noted of it."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.experiment import reading
from assets.experiment.bundles import digest
from tests.assets.experiment.conftest import (
    CANDIDATE,
    NOON,
    Clock,
    begun,
    events,
    in_turn,
    loveloop,
    of_tomorrow,
    refused,
    said,
    state,
    store,
)
from warehouse import experiment_registry

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def test_a_start_keeps_the_digest_of_the_folder_that_is_served(empty: Path, folder: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    for wrong, rule in (("treatment=no/such", "no such folder"), ("warm=x", "must name what each of control, treat")):
        words = refused(loveloop("experiment", "start", "warmer", "--bundle", wrong, warehouse=empty))
        assert rule in words
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={folder}")
    line = said(loveloop("experiment", "start", "warmer", *served, warehouse=empty))
    assert line == (
        "warmer is started: 2% of the users are in the test (1.0% of all users treated); control serves incumbent, "
        f"treatment serves {CANDIDATE}\n"
    )
    assert state(empty)["bundles"]["treatment"] == {"policy": CANDIDATE, "digest": digest(folder)}
    (folder / "weights.bin").rename(folder / "weights.other")
    assert digest(folder) != state(empty)["bundles"]["treatment"]["digest"], "names belong to the bundle, too"
    assert "must be planned: it can be started once" in refused(
        loveloop("experiment", "start", "warmer", *served, warehouse=empty)
    )


def test_status_tells_who_changed_what_when_and_why(empty: Path, clock: type[Clock]) -> None:
    assert said(loveloop("experiment", "status", warehouse=empty)).startswith("no experiment was planned yet")
    said(loveloop("experiment", "plan", "warmer", "--by", "ada", "--why", "less asking back", warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", f"treatment={CANDIDATE}")
    clock.moment += timedelta(hours=2)
    said(loveloop("experiment", "start", "warmer", *served, "--by", "bea", "--coverage", "0.2", warehouse=empty))
    page = said(loveloop("experiment", "status", "warmer", warehouse=empty)).splitlines()
    assert page[1].split()[:2] == ["warmer", "started"]
    assert [line.split() for line in page[-2:]] == [
        ["2026-03-02", "12:00", "ada", "planned", "0%", "less", "asking", "back"],
        ["2026-03-02", "14:00", "bea", "started", "20%", "not", "said"],
    ]
    words = refused(loveloop("experiment", "status", "colder", warehouse=empty))
    assert words.startswith("experiment 'colder' was never planned in this warehouse (planned: warmer)")


def test_a_rollback_serves_the_same_bytes_or_refuses(empty: Path, folder: Path, tmp_path: Path) -> None:
    before = Path(shutil.copytree(folder, tmp_path / "candidates" / "incumbent-7"))
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    assert "nothing to roll back" in refused(
        loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty)
    )
    served = ("--bundle", f"control={before}", "--bundle", f"treatment={folder}")
    said(loveloop("experiment", "start", "warmer", *served, warehouse=empty))
    kept = digest(before)
    weights = (before / "weights.bin").read_bytes()
    (before / "weights.bin").write_bytes(weights[:-1] + b"!")
    words = refused(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty))
    assert f"the bundle of incumbent-7 that was served had {kept[:12]}: its files were changed since" in words
    assert state(empty)["running"], "nothing was noted"
    (before / "weights.bin").write_bytes(weights)
    assert said(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=empty)) == (
        "warmer is rolled back: everybody is served incumbent-7\n"
    )
    assert state(empty)["bundles"]["control"]["digest"] == digest(before) == kept


def test_of_two_people_who_change_it_at_once_the_second_is_told(started: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = experiment_registry.append

    def late(target: Path, change: Any, **seen: int | None) -> Any:
        """Somebody else archives it between the look and the change."""
        monkeypatch.setattr(experiment_registry, "append", append)
        said(loveloop("experiment", "archive", "warmer", "--by", "bea", "--why", "over", warehouse=target))
        return append(target, change, **seen)

    monkeypatch.setattr(experiment_registry, "append", late)
    words = refused(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=started))
    assert words.startswith("'warmer' has 3 changes, 2 were expected (bea archived it at 2026-03-02 12:00 UTC)")
    assert words.endswith("nothing was stored; look at it again, then decide again")
    assert [each["action"] for each in state(started)["changes"]] == ["planned", "started", "archived"]


@pytest.mark.parametrize("command", ["rollback", "archive"])
def test_who_ends_an_experiment_is_asked_why(started: Path, command: str) -> None:
    words = loveloop("experiment", command, "warmer", warehouse=started)
    assert (words.exit_code, "Missing option '--why'" in words.output) == (2, True)
    assert state(started)["running"], "nothing was noted"


def test_what_was_done_stands_in_words_in_the_trail(started: Path) -> None:
    said(loveloop("experiment", "rollback", "warmer", "--why", "tone", warehouse=started))
    page = said(loveloop("experiment", "status", "warmer", warehouse=started))
    assert (page.count("rolled back"), "rolled_back" in page) == (2, False)


def test_every_change_is_told_as_json_where_it_is_asked_for(empty: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    begin = ("experiment", "start", "warmer", "--bundle", "control=x", "--bundle", "treatment=y", "--json")
    begun_ = json.loads(said(loveloop(*begin, warehouse=empty)))
    assert (begun_["name"], begun_["state"], begun_["coverage"], begun_["running"]) == ("warmer", "started", 0.02, True)
    assert begun_["bundles"]["treatment"] == {"policy": "y", "digest": None}
    for command, action in (("rollback", "rolled_back"), ("archive", "archived")):
        done = json.loads(said(loveloop("experiment", command, "warmer", "--why", "tone", "--json", warehouse=empty)))
        assert (done["state"], done["treated"], done["running"]) == (action, 0.0, False)
        assert (done["changes"][-1]["action"], done["changes"][-1]["why"]) == (action, "tone")
        assert done["line"].startswith(f"warmer is {action.replace('_', ' ')}: everybody is served x")


def test_a_second_rollback_notes_nothing_and_looks_at_the_bundle_again(empty: Path, folder: Path) -> None:
    said(loveloop("experiment", "plan", "warmer", warehouse=empty))
    served = ("--bundle", f"control={folder}", "--bundle", "treatment=y")
    said(loveloop("experiment", "start", "warmer", *served, warehouse=empty))
    back = ("experiment", "rollback", "warmer", "--why", "tone")
    first, second = (said(loveloop(*back, warehouse=empty)) for _ in range(2))
    assert first == second
    assert [each["action"] for each in state(empty)["changes"]] == ["planned", "started", "rolled_back"]
    (folder / "card.json").write_text("changed")
    assert "its files were changed since" in refused(loveloop(*back, warehouse=empty))


def test_an_experiment_that_cannot_be_read_hides_no_other_and_is_told_where_people_look(
    started: Path, tmp_path: Path
) -> None:
    begun(started, name="shorter")
    of_tomorrow(started)
    done = loveloop("experiment", "status", "--routes", tmp_path / "routes.json", warehouse=started)
    assert done.exit_code == 1
    assert any(line.split()[:2] == ["shorter", "started"] for line in done.output.splitlines())
    assert "warmer cannot be read, and is served to nobody: Object contains unknown field `orbit`" in done.output
    assert "warmer is left out, nobody is in it: " in done.output
    routes = json.loads((tmp_path / "routes.json").read_text())
    assert [each["name"] for each in routes["experiments"]] == ["shorter"]
    told = json.loads(loveloop("experiment", "status", "--json", warehouse=started).stdout)
    assert [(each["name"], each["state"]) for each in told["unreadable"]] == [("warmer", "ramped")]
    words = refused(loveloop("experiment", "status", "warmer", warehouse=started))
    assert words.startswith("experiment 'warmer': Object contains unknown field `orbit`")
    assert words.endswith("read it with the version that wrote it (tomorrow, 2026-03-02 12:00 UTC)")
    assert said(loveloop("experiment", "status", "shorter", warehouse=started)), "alone it is read as ever"


def test_a_plan_dated_by_the_clock_of_a_played_product_comes_before_its_exposures(empty: Path) -> None:
    at = ("--at", "2026-02-01T12:00")
    said(loveloop("experiment", "plan", "warmer", *at, warehouse=empty))
    served = ("--bundle", "control=x", "--bundle", "treatment=y", "--coverage", 1)
    said(loveloop("experiment", "start", "warmer", *served, *at, warehouse=empty))
    store(empty, events(in_turn, range(40), begin=NOON - timedelta(days=3)))
    assert not any("after the first exposure" in each for each in reading.read(empty, "warmer")["told"])
    store(empty, events(in_turn, range(40), begin=NOON - timedelta(days=3), name="late"))
    words = refused(loveloop("experiment", "plan", "late", *at, warehouse=empty))
    assert "the log holds exposures of 'late' already, since 2026-02-27" in words
    ahead = loveloop("experiment", "plan", "late", "--at", "2999-01-01", warehouse=empty)
    assert (ahead.exit_code, "lies ahead" in ahead.output) == (2, True)
