"""Upworthy: learn headlines on the past, rank those of later tests; exposure was randomised, so the truth is known.

Three labels for one model: each headline's own rate (unpaired), its share of its test's clicks (unpaired, the test's
own rate is conditioned away), and significant pairs (Bradley-Terry, what annotators would give).
"""

from pathlib import Path
from typing import Any

import numpy as np

from real_rewards_parts import figures, sets, stored, tuned
from stats.estimate import Floats
from stats.metrics import auroc

LATER, LINE, TOKENS = 0.2, 1.96, 40
FIRST = {"bce": 0.664, "bradley_terry": 0.741, "length": 0.521}
"""Pair accuracies on record, on other weeks."""


def measured(data: Path, seeds: int, *, quick: bool) -> dict[str, Any]:
    """Pair accuracy, correlation within tests and value of the top pick, with intervals over tests."""
    arms = sets.upworthy(data)
    if quick:
        arms = _part(arms, 400)
    cut = int((1 - LATER) * (arms.tests.max() + 1))
    past, later = np.flatnonzero(arms.tests < cut), np.flatnonzero(arms.tests >= cut)
    scores = _scores(arms, past, range(1, (1 if quick else seeds) + 1), epochs=1 if quick else 2)
    found: dict[str, Any] = {"tests": int(arms.tests.max() + 1), "later": len(set(arms.tests[later].tolist()))}
    for name, contests in (("alike", arms.alike), ("every", arms.every)):
        found[name] = figures.told(_pairs(arms, contests, scores, cut))
        found[f"{name}_pairs"] = int(_significant(arms, contests, cut).sum())
    measures = {}
    for name, several in scores.items():
        measures[f"{name}_r"] = lambda rows, several=several: _mean(several, lambda one: _r(arms, later[rows], one))
        measures[f"{name}_pick"] = lambda rows, some=several: _mean(some, lambda one: _pick(arms, later[rows], one))
        measures[f"{name}_auroc"] = lambda rows, some=several: _mean(some, lambda one: _auroc(arms, later[rows], one))
    rates = arms.clicks / arms.shown
    measures["best_pick"] = lambda rows: _pick(arms, later[rows], rates)
    found["others"] = figures.told(figures.estimates(measures, arms.tests[later], draws=100))
    keys = {"ours": "ours", "ours_unpaired": "ours_bce", "baseline": "length", "reference": "bce"}
    return {key: found["alike"][name] for key, name in keys.items()} | {
        "paired_reference": found["alike"]["bradley_terry"],
        "ours_less_reference": found["alike"]["ours_less_bce"],
        "ours_less_half_of_gap": found["alike"]["ours_less_half_of_gap"],
        "on_record": FIRST,
        **found,
    }


def _scores(arms: sets.Arms, past: Any, seeds: Any, *, epochs: int) -> dict[str, list[Floats]]:
    """Scores of all rows by way of learning, one array a seed."""
    ids, everything = tuned.ids_of(arms.headlines, TOKENS), np.arange(len(arms.headlines))
    states: Any = {}
    ways = {
        "bce": (tuned.binary(arms.clicks / arms.shown, arms.shown), tuned.whole_groups(everything, past)),
        "conditional": (tuned.conditional(arms.clicks, arms.shown, arms.tests), tuned.whole_groups(arms.tests, past)),
        "bradley_terry": (tuned.bradley_terry, tuned.duels(*_duels(arms, past))),
    }
    found: dict[str, list[Floats]] = {name: [] for name in ways}
    for seed in seeds:
        for name, (loss, batches) in ways.items():
            plan = tuned.Plan(epochs=epochs, seed=seed)

            def make(plan: Any = plan, loss: Any = loss, batches: Any = batches) -> Any:
                return tuned.fitted_scores(ids, batches, loss, plan, everything, states)

            key = [stored.code("sets", "tuned", "frozen"), name, str(plan), *arms.headlines, str(len(past))]
            found[name].append(stored.array("upworthy-scores", key, make).astype(np.float64))
            print(f"upworthy: {name}, seed {seed}", flush=True)
    ridges = _ridges(arms, past)
    found |= {name: [each] for name, each in ridges.items()}
    for ours, way, ridge in (("ours", "conditional", "ridge_centred"), ("ours_bce", "bce", "ridge")):
        found[ours] = [figures.alike([each, ridges[ridge]]) for each in found[way]]
    length = np.array([float(len(each)) for each in arms.headlines])
    return found | {"length": [length * np.sign(np.corrcoef(length[past], (arms.clicks / arms.shown)[past])[0, 1])]}


def _ridges(arms: sets.Arms, past: Any) -> dict[str, Floats]:
    """Linear models on a frozen encoder's vectors: of the rate, of the rate centred within its test, of pairs."""
    from sklearn.linear_model import LogisticRegression, Ridge

    vectors = stored.vectors("upworthy", arms.headlines, max_tokens=64).vectors(arms.headlines)
    rows = vectors * np.sqrt(vectors.shape[1])
    mean = _within(arms.tests, arms.clicks) / _within(arms.tests, arms.shown)
    rates, weights = arms.clicks / arms.shown, arms.shown / arms.shown.mean()
    plain = Ridge(alpha=1_000).fit(rows[past], rates[past], sample_weight=weights[past])
    centred = rows - _within(arms.tests, rows * arms.shown[:, None]) / _within(arms.tests, arms.shown)[:, None]
    relative = Ridge(alpha=1_000, fit_intercept=False).fit(
        centred[past], (rates / mean - 1)[past], sample_weight=(weights * mean / mean.mean())[past]
    )
    better, worse = _duels(arms, past)
    gap = rows[better] - rows[worse]
    paired = LogisticRegression(C=1e-3, fit_intercept=False, max_iter=200)
    paired.fit(np.concatenate([gap, -gap]), np.repeat([1, 0], len(gap)))
    return {
        "ridge": plain.predict(rows), "ridge_centred": rows @ relative.coef_, "linear_pairs": rows @ paired.coef_[0]
    }  # fmt: skip


def _pairs(arms: sets.Arms, contests: sets.Contests, scores: dict[str, list[Floats]], cut: int) -> Any:
    rows = contests.rows[_significant(arms, contests, cut)]
    signs = contests.z[_significant(arms, contests, cut)]
    better = np.where(signs > 0, rows[:, 0], rows[:, 1])
    worse = np.where(signs > 0, rows[:, 1], rows[:, 0])

    def measure(several: list[Floats]) -> figures.Measure:
        return lambda at: float(np.mean([figures.won(one[better[at]], one[worse[at]]) for one in several]))

    measures = {name: measure(several) for name, several in scores.items()}
    measures["half_of_gap"] = lambda at: (measures["bce"](at) + measures["bradley_terry"](at)) / 2
    less = [("ours", "bce"), ("ours", "bradley_terry"), ("conditional", "bce"), ("bradley_terry", "bce")]
    less += [("ours_bce", "bce"), ("bce", "length"), ("ours", "half_of_gap"), ("conditional", "half_of_gap")]
    less += [("ridge_centred", "ridge"), ("ridge_centred", "linear_pairs")]
    return figures.estimates(measures, arms.tests[better], less=less)


def _significant(arms: sets.Arms, contests: sets.Contests, cut: int) -> Any:
    return (np.abs(contests.z) > LINE) & (arms.tests[contests.rows[:, 0]] >= cut)


def _duels(arms: sets.Arms, past: Any) -> tuple[Any, Any]:
    kept = (np.abs(arms.every.z) > LINE) & np.isin(arms.every.rows[:, 0], past)
    rows, up = arms.every.rows[kept], arms.every.z[kept] > 0
    return np.where(up, rows[:, 0], rows[:, 1]), np.where(up, rows[:, 1], rows[:, 0])


def _within(tests: Any, values: Floats) -> Floats:
    """Each row's sum over its test."""
    total = np.zeros((tests.max() + 1, *values.shape[1:]))
    np.add.at(total, tests, values)
    return np.asarray(total[tests])


def _mean(several: list[Floats], measure: Any) -> float:
    return float(np.mean([measure(one) for one in several]))


def _r(arms: sets.Arms, rows: Any, scores: Floats) -> float:
    """Correlation of scores and relative rates, both less their test's mean."""
    _, tests = np.unique(arms.tests[rows], return_inverse=True)
    size = np.bincount(tests)
    rates = (arms.clicks / arms.shown)[rows]
    relative = rates / (np.bincount(tests, rates) / size)[tests]
    one, other = (each - (np.bincount(tests, each) / size)[tests] for each in (scores[rows], relative))
    return float(np.corrcoef(one, other)[0, 1])


def _pick(arms: sets.Arms, rows: Any, scores: Floats) -> float:
    """How much more is clicked when each test shows its highest score alone, against all its headlines alike."""
    rates = (arms.clicks / arms.shown)[rows]
    order = np.lexsort((scores[rows], arms.tests[rows]))
    tests = arms.tests[rows][order]
    top = order[np.append(np.flatnonzero(np.diff(tests)), len(order) - 1)]
    numbers, times = np.unique(arms.tests[rows], return_counts=True)
    mean = dict(zip(numbers.tolist(), (np.bincount(arms.tests[rows], rates)[numbers] / times).tolist(), strict=True))
    usual = np.array([mean[test] for test in arms.tests[rows][top].tolist()])
    return float(rates[top].sum() / usual.sum() - 1)


def _auroc(arms: sets.Arms, rows: Any, scores: Floats) -> float:
    """Chance that a click saw a higher score than an impression without one, over all tests."""
    label = np.concatenate([np.ones(len(rows)), np.zeros(len(rows))])
    weight = np.concatenate([arms.clicks[rows], (arms.shown - arms.clicks)[rows]])
    return auroc(label, np.tile(scores[rows], 2), weight)


def _part(arms: sets.Arms, tests: int) -> sets.Arms:
    """The first tests alone."""
    kept = int((arms.tests < tests).sum())
    some = [
        sets.Contests(each.rows[each.rows.max(axis=1) < kept], each.z[each.rows.max(axis=1) < kept])
        for each in arms[5:]
    ]
    return sets.Arms(arms.headlines[:kept], *(each[:kept] for each in arms[1:5]), *some)
