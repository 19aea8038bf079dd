"""Experiments from the command line: list, read once, read every so often."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assets.experiment import reading, words
from tests.assets.experiment.conftest import STAGED, Product, command, stored
from warehouse import experiments


@pytest.mark.slow
def test_a_second_look_says_only_what_is_new(target: Path) -> None:
    before = reading.read(target, "tone")
    again = reading.read(target, "tone")
    assert words.changes(before, again) == []
    stored(target, *Product(3, name="tone").served("u0", "treatment", response_id="crossed"))
    said = words.changes(again, reading.read(target, "tone", shares={"control": 0.9}))
    assert said[0].startswith("decision ship -> invalid: sample-ratio mismatch")
    assert said[-1].startswith("1 user seen in more than one arm")


def test_a_warehouse_without_experiments_says_how_one_begins(empty: Path) -> None:
    done = command("experiment", "read", "tone", "--warehouse", empty)
    assert isinstance(done.exception, ValueError)
    assert "name `experiment` and `arm` in the response_served events" in str(done.exception)
    assert command("experiment", "list", "--warehouse", empty).output.startswith("no experiment yet: name `experiment`")


def test_the_list_shows_every_arm(filled: Path) -> None:
    heads, *rows = command("experiment", "list", "--warehouse", filled).output.splitlines()
    assert heads.split()[:3] == ["experiment", "arm", "policy"]
    assert [row.split()[:6] for row in rows] == [
        ["tone", "control", "incumbent", "500", "2,000", "2,000"],
        ["tone", "treatment", STAGED, "500", "2,000", "2,000"],
    ]
    (test,) = json.loads(command("experiment", "list", "--warehouse", filled, "--json").stdout)
    assert [arm["loves"] for arm in test["arms"]] == [int(row.split()[6]) for row in rows]


@pytest.mark.slow
def test_the_page_has_arms_effect_decision_and_next_step_and_json_the_same_figures(target: Path) -> None:
    words = ["experiment", "read", "tone", "--warehouse", target, "--planned", "3000", "--share", "control=0.5"]
    page, facts = command(*words).output, json.loads(command(*words, "--json").stdout)
    low, high = facts["anytime_ci"]
    assert f"effect       Love rate {facts['lift']:+.1%} ({low:+.1%} to {high:+.1%} at any look)" in page
    assert "decision     ship" in page
    assert f"ledger       {STAGED} was predicted +80.0% (+50.0% to +120.0%); 1 experiment with both lifts" in page
    assert f"next         serve {STAGED} to everybody, then let the loop learn from it: loveloop run" in page
    assert "needless closings holds: 1.00% against 5.00%, 0." in page


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--share", "control"], "'control' is no share of an arm: write ARM=SHARE"),
        (["--share", "control=1.5"], "a share in (0, 1)"),
        (["--every", "soon"], "'soon' is no length of time: write 30s, 15m, 1h or 1d"),
        (["--maturity-hours", "nan"], "nan is not in the range 0<=x<=87600: must be a finite number"),
        (["--planned", "0"], "0 is not in the range x>=1"),
    ],
)
def test_an_option_that_cannot_be_read_says_what_to_write(filled: Path, option: list[str], said: str) -> None:
    done = command("experiment", "read", "tone", "--warehouse", filled, *option)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.slow
def test_reading_every_so_often_says_what_changed_and_ends_in_order(target: Path) -> None:
    command = [sys.executable, "-m", "assets", "experiment", "read", "tone", "--every", "0.1s", "--maturity-hours", "0"]
    environment = {**os.environ, "LOVELOOP_WAREHOUSE": str(target), "PYTHONUNBUFFERED": "1"}
    reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert reading.stdout is not None
        head = reading.stdout.readline()
        next(line for line in reading.stdout if line.startswith("next"))
        lines = Product(7, name="tone").served("zoe", "control", loved=True, response_id="late")
        stored(target, *lines)
        news = next(line for line in reading.stdout if line.startswith("  control"))
        reading.send_signal(signal.SIGTERM)
        _, told = reading.communicate(timeout=30)
    finally:
        reading.kill()
    assert head.startswith("experiment tone, 2026-03-01 12:")
    assert news.startswith("  control +1 exposures, +1 loves (2,001 exposures")
    assert reading.returncode == 0
    assert told == "stopped; what was read is kept in the warehouse\n"
    assert len(experiments.readouts(target)) == 2
