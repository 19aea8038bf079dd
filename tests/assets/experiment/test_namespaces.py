"""Experiments that share a namespace, a salt or a holdout: what is refused so that no user is in two."""

from pathlib import Path
from typing import Any

import pytest

from assets.experiment import control
from assets.experiment.bundles import bundle
from tests.assets.experiment.conftest import CANDIDATE, begun, loveloop, of_tomorrow, refused, said
from warehouse.experiment_registry import ExperimentChangedError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clock")]


def test_two_experiments_of_one_namespace_hold_no_range_together_until_one_is_archived(empty: Path) -> None:
    begun(empty, CANDIDATE, "--namespace", "tone", "--range", 0.0, 0.6)
    met = ("experiment", "plan", "shorter", "--namespace", "tone", "--range", 0.5, 1.0)
    words = refused(loveloop(*met, warehouse=empty))
    assert words == (
        "experiment 'shorter' takes 0.5 to 1 of namespace 'tone', which 'warmer' holds in part: give it another range "
        "(--range), or archive 'warmer' first"
    )
    begun(empty, CANDIDATE, "--namespace", "tone", "--range", 0.6, 1.0, name="apart")
    warmer, apart = (control.layout(each.name, each.definition) for each in control.every(empty))
    assert warmer.salt == apart.salt, "ranges are cut from one hash"
    said(loveloop("experiment", "archive", "apart", "--why", "over", warehouse=empty))
    said(loveloop("experiment", "archive", "warmer", "--why", "over", warehouse=empty))
    said(loveloop(*met, warehouse=empty))
    for action in ("archive", "rollback"):
        assert "is archived" in refused(loveloop("experiment", action, "warmer", "--why", "x", warehouse=empty))


def test_a_range_that_was_free_at_the_plan_and_is_held_at_the_start_is_refused(empty: Path) -> None:
    for name in ("one", "two"):
        said(loveloop("experiment", "plan", name, "--namespace", "tone", warehouse=empty))
    served = ("--bundle", "control=incumbent", "--bundle", "treatment=x")
    said(loveloop("experiment", "start", "one", *served, warehouse=empty))
    assert "which 'one' holds in part" in refused(loveloop("experiment", "start", "two", *served, warehouse=empty))


def test_of_two_experiments_of_one_range_that_are_started_at_once_one_is_refused(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("warmer", "shorter"):
        said(loveloop("experiment", "plan", name, "--namespace", "tone", warehouse=empty))
    places = {"control": bundle("incumbent"), "treatment": bundle(CANDIDATE)}
    noted = control._noted

    def meanwhile(*given: Any) -> control.Registered:
        """The other is started between the look and the change."""
        monkeypatch.setattr(control, "_noted", noted)
        control.start(empty, "shorter", places, by="bob")
        return noted(*given)

    monkeypatch.setattr(control, "_noted", meanwhile)
    with pytest.raises(ExperimentChangedError, match="may hold users of 'warmer'; nothing was stored"):
        control.start(empty, "warmer", places, by="ada")
    assert [each.name for each in control.every(empty) if each.running] == ["shorter"]
    with pytest.raises(ValueError, match="which 'shorter' holds in part"):
        control.start(empty, "warmer", places, by="ada")


def test_two_holdouts_of_one_salt_are_refused_and_one_that_is_shared_is_told(empty: Path) -> None:
    begun(empty, CANDIDATE, "--salt", "of-all", "--holdout", 0.1)
    words = refused(loveloop("experiment", "plan", "shorter", "--salt", "of-all", "--holdout", 0.05, warehouse=empty))
    assert words.startswith(
        "experiment 'shorter' holds out 0.05 of all users, and 'warmer', which runs under the same salt, 0.1: both are "
        "cut from one hash"
    )
    assert "holds out 0 of all users" in refused(
        loveloop("experiment", "plan", "x", "--salt", "of-all", warehouse=empty)
    )
    page = said(loveloop("experiment", "plan", "shorter", "--salt", "of-all", "--holdout", 0.1, warehouse=empty))
    assert "note         warmer under the same salt holds out the same users" in page
    said(loveloop("experiment", "plan", "own", "--holdout", 0.05, warehouse=empty))


def test_a_namespace_of_which_a_running_experiment_cannot_be_read_takes_nobody_in(empty: Path) -> None:
    begun(empty, CANDIDATE, "--namespace", "tone", "--range", 0.0, 0.5)
    of_tomorrow(empty)
    words = refused(loveloop("experiment", "plan", "x", "--namespace", "tone", "--range", 0.5, 1, warehouse=empty))
    assert words.startswith("experiment 'x' shares namespace 'tone' with 'warmer', whose range cannot be read (")
    said(loveloop("experiment", "plan", "x", "--namespace", "length", warehouse=empty))
