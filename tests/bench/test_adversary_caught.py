"""How the benchmark counts: what was caught, at which cost and how soon, and figures over seeds."""

import doctest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from adversary_parts.loves import Loves

BENCH = Path(__file__).resolve().parents[2] / "bench"
HOUR = 3_600_000_000
NEVER = np.iinfo(np.int64).max


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def loves(attack: list[str], left_out: list[float], score: list[float] | None = None) -> "Loves":
    from adversary_parts.loves import Loves

    count = len(attack)
    scores = np.array(score or [0.0] * count)
    return Loves(
        keys=[(f"r{number}", f"u{number}") for number in range(count)],
        attack=np.array(attack, dtype=np.str_),
        at=np.arange(count, dtype=np.int64) * HOUR,
        shown=np.ones(count, dtype=np.bool_),
        left_out=np.array(left_out, dtype=np.float64),
        score=scores,
        rules=[["a_rule"] if one >= 1 else [] for one in scores.tolist()],
        online_at=np.full(count, NEVER),
    )


def judged(given: "Loves", honest_loss: float = 0.01) -> dict[str, Any]:
    from adversary_parts import caught

    seen_at = np.where(given.left_out > 0.5, given.at + HOUR, NEVER)
    return caught.judge(given, seen_at, honest_loss=honest_loss)


def test_examples_in_the_docstrings_hold() -> None:
    from adversary_parts import caught, cells, figures, words

    results = [doctest.testmod(module) for module in (caught, cells, figures, words)]
    assert [result.failed for result in results] == [0] * 4
    assert all(result.attempted for result in results)


def test_recall_loss_and_precision_are_masses() -> None:
    found = judged(loves(["farm", "farm", "", "", "", ""], [1, 0.5, 0.5, 0, 0, 0], [3, 0, 0, 0, 0, 0]))
    assert found["attacks"]["farm"]["recall"] == 0.75
    assert found["honest"]["loss"] == 0.125
    assert found["precision"] == 0.75
    assert found["attacks"]["farm"]["rules"] == {"a_rule": 1, "trust": 0.5}
    assert found["honest"]["rules"] == {"trust": 0.5}


def test_recall_at_a_loss_moves_the_line_and_not_the_filter() -> None:
    attack, honest = ["farm"] * 4, [""] * 100
    given = loves(attack + honest, [1, 0, 0, 0] + [0] * 100, [2, 0.8, 0.6, 0.1] + [0.7] + [0.3] + [0] * 98)
    assert judged(given, 0.01)["attacks"]["farm"]["recall"] == 0.25
    assert judged(given, 0.01)["attacks"]["farm"]["recall_at_loss"] == 0.75  # all above 0.3, where the second one lies
    assert judged(given, 0.0)["attacks"]["farm"]["recall_at_loss"] == 0.5
    assert judged(given, 0.5)["attacks"]["farm"]["recall_at_loss"] == 1


def test_on_a_line_that_many_share_a_part_of_them_is_left_out_in_expectation() -> None:
    given = loves(["farm"] * 2 + [""] * 10, [0] * 12, [0.5] * 12)
    assert judged(given, 0.2)["attacks"]["farm"]["recall_at_loss"] == pytest.approx(0.2)


def test_loves_that_were_never_found_wait_longer_than_all_others() -> None:
    from adversary_parts.caught import hours

    at = np.array([0, 1, 2, 3]) * HOUR
    assert hours(at, np.array([NEVER, 5 * HOUR, 2 * HOUR, NEVER])) == {"alarm": 2.0, "median": 4.0, "censored": 0.5}
    found = hours(at, np.array([NEVER, NEVER, 2 * HOUR, NEVER]))
    assert (found["median"], found["alarm"]) == (None, 2.0)
    assert hours(at, np.full(4, NEVER))["alarm"] is None


def test_an_honest_love_that_a_flagged_replay_repeats_is_neither_lost_nor_under_suspicion() -> None:
    given = loves(["", "farm"], [0, 1], [5, 2])
    assert judged(given)["honest"] == {"loves": 1, "lost": 0.0, "loss": 0.0, "rules": {}}
    assert given.suspicion.tolist() == [0, 2]


def test_an_honest_love_that_no_filter_would_count_is_no_loss() -> None:
    given = loves(["", ""], [1, 0])
    given = given._replace(shown=np.array([False, True]))
    assert judged(given)["honest"] == {"loves": 1, "lost": 0.0, "loss": 0.0, "rules": {}}


def cell(seed: int, share: float, recall: float, shift: tuple[float, float]) -> dict[str, Any]:
    marks = {"auroc": 0.8, "auroc_oracle": 0.8, "logit": {"slow_drip": -5.0}}
    said = [marks | {"chance": {"slow_drip": 0.01 + each}} for each in shift]
    hours = {"alarm": 1.0, "median": 2.0, "censored": 0.0}
    own = {"loves": 10, "recall": recall, "recall_at_loss": recall, "rules": {"a_rule": 5}, "hours": hours}
    return {
        "seed": seed,
        "cell": f"slow_drip-{share:g}",
        "shares": {"slow_drip": share},
        "honest": {"loves": 100, "loss": 0.01, "rules": {}},
        "precision": 0.5,
        "attacks": {"slow_drip": own},
        "learning": {"open": said[0], "filtered": said[1]},
    }


def clean() -> list[dict[str, Any]]:
    marks = {"auroc": 0.81, "auroc_oracle": 0.82, "logit": {"slow_drip": -5.5}}
    return [marks | {"chance": {"slow_drip": chance}} for chance in (0.01, 0.011, 0.009)]


def test_a_figure_is_the_mean_over_seeds_and_every_key_is_there() -> None:
    from adversary_parts import report, words

    cells = [cell(1, 0.01, 0.4, (0.04, 0.01)), cell(1, 0.2, 0.8, (0.06, 0.01))]
    cells += [cell(2, share, 1.0, (0.1, 0.0)) for share in (0.01, 0.2)]
    found = report.summary(cells, {1: clean(), 2: clean()})
    assert found["recall"] == {"slow_drip": 0.8}  # of .6 and 1
    assert found["recall_by_share"]["0.01"] == {"slow_drip": 0.7}
    assert found["mean_recall"] == 0.8
    assert found["target_shift_cut"] == 0.9  # of 1 - .02 / .1 and 1
    assert found["honest_loss"] == 0.01
    assert found["honest_auroc_loss"] == 0.01
    assert found["unseen_recall"] == {}
    assert found["rules"] == {"slow_drip": {"a_rule": 0.5}}
    said = "\n".join(words.lines(found))
    assert "mean recall as the filter runs = 0.8000 [-1.7412, 3.3412], aim: at least 0.9: MISSED" in said
    assert "shift of the target cut by = 0.9000 [-0.3706, 2.1706], aim: at least 0.9: KEPT" in said


def test_an_attack_that_gave_no_love_does_not_make_its_attack_look_easier() -> None:
    from adversary_parts import report, words

    silent = cell(2, 0.01, 0.0, (0.0, 0.0)) | {"attacks": {}}
    others = [cell(1, 0.01, 0.2, (0.1, 0.0)), cell(1, 0.2, 1.0, (0.1, 0.0)), cell(2, 0.2, 0.8, (0.1, 0.0))]
    found = report.summary([*others, silent], {1: clean(), 2: clean()})
    assert found["recall"] == {"slow_drip": pytest.approx(0.55)}  # of .6 and of (.2 + .8) / 2
    assert found["recall_by_share"]["0.01"] == {"slow_drip": 0.2}
    assert found["gave_no_love"] == ["slow_drip-0.01 of seed 2"]
    assert "slow_drip-0.01 of seed 2" in "\n".join(words.lines(found))


def test_a_shift_as_small_as_that_of_another_draw_is_told_as_none() -> None:
    from adversary_parts import report

    cells = [cell(1, 0.05, 1, (0.001, 0.0)), cell(1, 0.2, 1, (0.1, 0.0))]
    one, other = report.summary(cells, {1: clean()})["shifts"]
    assert one["noise"] == pytest.approx(0.001)
    assert one["within_noise"]
    assert not other["within_noise"]
    assert other["cut"] == 1
