"""The ranking of signals, from events to words, checked against the world's hidden truth."""

import json
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from assets.cli.signals import signals as command
from assets.signals import COUNTS, SIGNALS, plain, ranked, words
from experiments.association import Ranking, rank
from experiments.design import design
from streams.synthetic import WorldConfig
from streams.synthetic.studies.retention import effect_of_pleasing, lived_days
from tests.assets.stored_world import store_world
from warehouse.signals import user_days, with_sentiment

WORLD = WorldConfig.long(responses=6_000, users=1_000)
SEEDS = range(1, 6)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with the events of a world, faults and bots among them."""
    return store_world(WORLD, tmp_path_factory.mktemp("signals"))


def ranking_of(rows: pa.Table) -> Ranking:
    return rank(rows, SIGNALS, outcome="retained", user="user_id", counts=COUNTS, amount="conversations", group="arm")


@lru_cache
def lives() -> list[pa.Table]:
    """Five worlds without wire and warehouse, which add nothing: see the first test."""
    return [with_sentiment(lived_days(WorldConfig.long(seed=seed, responses=80_000, users=13_000))) for seed in SEEDS]


@lru_cache
def rankings() -> list[Ranking]:
    return [ranking_of(rows) for rows in lives()]


@pytest.mark.slow
def test_the_warehouse_finds_every_day_as_it_was_lived_whatever_the_wire_did(stored: Path) -> None:
    found, lived = user_days(stored, as_of=WORLD.ends_at), with_sentiment(lived_days(WORLD))
    assert len(found) == len(lived) > 500
    for name in found.column_names:
        if found[name].type == pa.float64():
            numbers = [each[name].to_numpy() for each in (found, lived)]
            np.testing.assert_allclose(*numbers, atol=1e-12, err_msg=name)
        else:
            assert found[name].to_pylist() == lived[name].to_pylist(), name


@pytest.mark.slow
def test_the_command_prints_the_table_and_writes_figures_and_plot(stored: Path, tmp_path: Path) -> None:
    options = ["--warehouse", str(stored), "--json", str(tmp_path / "signals.json"), "--plot", str(tmp_path / "p.png")]
    done = CliRunner().invoke(command, options, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "signals.json").read_text())
    assert {each["label"] for each in written["associations"]} == {signal.label for signal in SIGNALS}
    assert all(each["label"] in done.output for each in written["associations"])
    assert "This is observation, not experiment." in done.output
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_words_hold_the_figures_of_the_json(stored: Path) -> None:
    found = ranked(stored, as_of=WORLD.ends_at)
    text, first = "\n".join(words(found)), plain(found)["associations"][0]
    assert f"{found.rows:,} days of {found.users:,} users" in text
    assert f"{first['adjusted']['low']:.2f} to {first['adjusted']['high']:.2f}" in text
    assert "8 to 14 days later" in text


def test_a_log_that_is_too_short_is_one_clear_error(stored: Path) -> None:
    with pytest.raises(ValueError, match="must hold at least 22 days up to --as-of"):
        ranked(stored, as_of=WORLD.ends_at - timedelta(days=25))


@pytest.mark.slow
def test_each_interval_holds_what_satisfaction_alone_explains() -> None:
    """A signal of the day itself moves retention as much as satisfaction goes with it, times what satisfaction does."""
    worlds = [WorldConfig.long(seed=seed, responses=80_000, users=13_000) for seed in SEEDS]
    causal = np.mean([effect_of_pleasing(world).value for world in worlds])
    held = []
    for signal in SIGNALS:
        if signal.column == "returned":  # comes after the day: habit and new days speak through it too
            continue
        gap = np.mean([_gap(rows, signal.column) for rows in lives()])
        effects = [one.effect for found in rankings() for one in found.associations if one.column == signal.column]
        held += [effect is not None and effect.low < gap * causal < effect.high for effect in effects]
    assert len(held) == 25
    assert sum(held) >= 22  # 95 % intervals: 23.75 expected


def _gap(rows: pa.Table, column: str) -> float:
    """Mean satisfaction with the signal less without it, the same controls held fixed (least squares)."""
    signal = next(each for each in SIGNALS if each.column == column)
    own = design(rows, signal, COUNTS)
    satisfaction = rows["satisfaction"].to_numpy()[own.known]
    columns = np.column_stack([np.ones(len(satisfaction)), own.columns])
    return float(np.linalg.lstsq(columns, satisfaction, rcond=None)[0][1])


@pytest.mark.slow
def test_the_order_is_the_true_one_wherever_the_ranking_calls_it_settled() -> None:
    truth = {
        signal.column: np.mean([_gap(rows, signal.column) for rows in lives()])
        for signal in SIGNALS
        if signal.column != "returned"
    }
    settled = 0
    for found in rankings():
        inner = [one for one in found.associations if one.column != "returned"]
        for above in inner:
            for below in inner[inner.index(above) + 1 :]:
                assert above.adjusted is not None
                assert below.adjusted is not None
                if above.adjusted.low > below.adjusted.high:
                    settled += 1
                    assert truth[above.column] > truth[below.column], (above.label, below.label)
    assert settled >= 5


@pytest.mark.slow
def test_every_sign_is_the_true_one_over_the_seeds() -> None:
    values = {
        signal.column: [
            float(np.log(one.adjusted.value))
            for found in rankings()
            for one in found.associations
            if one.column == signal.column and one.adjusted
        ]
        for signal in SIGNALS
    }
    means = {name: float(np.mean(each)) for name, each in values.items()}
    assert min(means["love"], means["liked"], means["returned"], means["sentiment"]) > 0.05
    assert means["disliked"] < -0.05
    assert abs(means["continues"]) < 0.05
    assert all(found.associations[0].column in ("love", "returned") for found in rankings())
    assert all(found.associations[-1].column == "disliked" for found in rankings())
