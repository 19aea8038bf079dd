"""The parts of bench/offline_online.py on made headlines: picks, lifts, and that a scorer finds what was put in."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(autouse=True)
def _bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def arms(file: Path, tests: int) -> Path:
    """Tests of three headlines, one of them twice; those with a number in it are clicked half as often again."""
    random = np.random.default_rng(0)
    rows = []
    for test in range(tests):
        for text in ("a quiet title", "the 7 best titles", "a quiet title", "another title"):
            rate = 0.03 if "7" in text else 0.02
            shown = int(random.integers(2_000, 4_000))
            rows.append((100 + test // 10, f"{test:04}", f"{text} of {test}", shown, int(random.binomial(shown, rate))))
    names = ("test_week", "clickability_test_id", "headline", "impressions", "clicks")
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), file)
    return file


def test_arms_of_one_headline_are_added_up_and_tests_come_in_order(tmp_path: Path) -> None:
    from offline_online_parts import headlines

    found = headlines.read(arms(tmp_path / "arms.parquet", 40))
    assert len(found.texts) == 120
    assert found.tests.tolist() == np.repeat(np.arange(40), 3).tolist()
    assert found.shown[0] > 4_000 or "quiet" not in found.texts[0]
    part = headlines.read(tmp_path / "arms.parquet", least_tests=10)
    assert np.unique(part.tests).tolist() == [*range(10)]


def test_ties_share_the_pick() -> None:
    from offline_online_parts.real import top

    picks = top(np.array([1.0, 2.0, 2.0, 5.0, 4.0]), np.array([0, 0, 0, 1, 1]))
    assert picks.tolist() == [0, 0.5, 0.5, 1, 0]


@pytest.mark.slow
def test_a_scorer_learns_what_is_clicked_and_the_lift_of_its_picks_is_measured(tmp_path: Path) -> None:
    from offline_online_parts import headlines, real

    made = headlines.read(arms(tmp_path / "arms.parquet", 200))
    features = {"surface": headlines.surface(made.texts)}
    past = made.tests < 100
    judge = real.score(made, features, past & (made.tests % 2 == 0), real.Learnt(("surface",)))
    ours = real.score(made, features, past & (made.tests % 2 == 1), real.Learnt(("surface",)))
    later = np.flatnonzero(~past)
    picks = {"best": real.top(ours, made.tests)[later], "worst": real.top(-ours, made.tests)[later]}
    values = real._values(made, later, picks, judge)
    predicted, measured = real.lifts(values, np.ones(len(values)))
    assert measured[0] == pytest.approx(0.03 / np.mean([0.02, 0.02, 0.03]) - 1, abs=0.03)
    assert measured[1] < 0 < measured[0]
    assert predicted[0] == pytest.approx(measured[0], abs=0.06)


def test_a_set_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: object) -> None:
    import offline_online

    monkeypatch.setattr(sys, "argv", ["offline_online.py", "--real", "--upworthy", str(tmp_path / "none.parquet")])
    offline_online.main()
    assert "skipped: " in capsys.readouterr().out  # type: ignore[attr-defined]
