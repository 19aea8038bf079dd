"""Real tests: policies that pick headlines, predicted by a judge of other tests, valued on later ones.

Exposure was randomised, so the clicks that a policy would have got are known without bias: those of the headline that
it picks. Policies learn from one half of the past, the judge from the other, and both are tried on later tests.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from offline_online_parts import headlines
from offline_online_parts.headlines import Floats, Headlines, Ints
from stats import correlation

LATER, FOLDS, DRAWS, DIVISIONS = 0.2, 5, 1000, 5
STRENGTHS = (0.1, 1.0, 10.0, 100.0, 1000.0)


class Learnt(NamedTuple):
    """How a scorer is learnt: from which features, rows, and whether labels are within the test."""

    features: tuple[str, ...]
    share: float = 1.0
    paired: bool = True


LEARNT: Mapping[str, Learnt] = {
    "all": Learnt(("surface", "words", "vectors")),
    "all, a quarter of the data": Learnt(("surface", "words", "vectors"), 0.25),
    "all, a sixteenth of the data": Learnt(("surface", "words", "vectors"), 1 / 16),
    "all, unpaired": Learnt(("surface", "words", "vectors"), paired=False),
    "vectors": Learnt(("vectors",)),
    "vectors, unpaired": Learnt(("vectors",), paired=False),
    "vectors, a quarter of the data": Learnt(("vectors",), 0.25),
    "words": Learnt(("words",)),
    "surface": Learnt(("surface",)),
    "surface, unpaired": Learnt(("surface",), paired=False),
}
INVERTED = {"all, inverted": "all", "surface, inverted": "surface"}
MIXED = {"all, half of the time": "all", "vectors, half of the time": "vectors"}


def measured(file: Path, *, quick: bool) -> dict[str, Any]:
    """Predicted and measured lift of every policy, and how far they agree.

    The figures are of the first division of the past in two; `divisions` has r and its lower end for each other one.
    """
    arms = headlines.read(file, least_tests=600 if quick else None)
    cut = int((1 - LATER) * (arms.tests.max() + 1))
    past = arms.tests < cut
    features = {
        "surface": headlines.surface(arms.texts),
        "words": headlines.words(arms.texts, past),
        "vectors": headlines.vectors(arms.texts),
    }
    later = np.flatnonzero(~past)
    several = []
    for seed in range(1, 2 if quick else 1 + DIVISIONS):
        half = np.random.default_rng(seed).random(cut) < 0.5
        ours = past & half[np.minimum(arms.tests, cut - 1)]
        judge = score(arms, features, past & ~ours, LEARNT["all"])
        picks = {name: each[later] for name, each in _policies(arms, features, ours).items()}
        several.append(_told(_values(arms, later, picks, judge), list(picks)))
        print(f"division {seed}: r = {several[-1]['r']:.3f}, lower end {several[-1]['r_low']:.3f}", flush=True)
    return several[0] | {
        "divisions": [[each["r"], each["r_low"]] for each in several],
        "tests": int(arms.tests.max() + 1),
        "later_tests": len(np.unique(arms.tests[later])),
        "headlines": len(arms.texts),
        "later_headlines": len(later),
    }


def _policies(arms: Headlines, features: Mapping[str, Floats], ours: Any) -> dict[str, Floats]:
    """The chance that each policy shows each headline, [rows] by policy; 1 in all within a test."""
    lengths = np.array([float(len(each)) for each in arms.texts])
    asks = np.array([float("?" in each) for each in arms.texts])
    scores = {name: score(arms, features, ours, each) for name, each in LEARNT.items()}
    scores |= {"longest": lengths, "shortest": -lengths, "asks a question": asks}
    scores |= {name: -scores[of] for name, of in INVERTED.items()}
    found = {name: top(each, arms.tests) for name, each in scores.items()}
    return found | {name: (found[of] + top(np.zeros(len(lengths)), arms.tests)) / 2 for name, of in MIXED.items()}


def score(arms: Headlines, features: Mapping[str, Floats], rows: Any, how: Learnt) -> Floats:
    """Predicted relative click rate of every row, by ridge regression on some rows; its strength by cross-validation.

    Paired: rates and features are less their test's mean, which takes the story out of both. Unpaired: they are less
    the mean of all, as labels of conversations that nobody compared.
    """
    tests = np.unique(arms.tests[rows])
    kept = np.random.default_rng(2).permutation(tests)[: max(20, int(how.share * len(tests)))]
    learn = rows & np.isin(arms.tests, kept)
    x = np.column_stack([features[name] for name in how.features])
    x = (x - x[learn].mean(axis=0)) / (x[learn].std(axis=0) + 1e-9)
    mean = np.average(arms.rates[learn], weights=arms.shown[learn])
    y = arms.rates / (_means(arms.rates, arms.shown, arms.tests) if how.paired else mean) - 1
    within = x - _means(x, arms.shown, arms.tests) if how.paired else x
    weight = arms.shown[learn] / arms.shown[learn].mean()
    folds = np.random.default_rng(3).integers(0, FOLDS, arms.tests.max() + 1)[arms.tests[learn]]
    losses = [_loss(within[learn], y[learn], weight, folds, strength) for strength in STRENGTHS]
    best = _ridge(within[learn], y[learn], weight, STRENGTHS[int(np.argmin(losses))])
    return np.asarray(within @ best)


def _loss(x: Floats, y: Floats, weight: Floats, folds: Ints, strength: float) -> float:
    total = 0.0
    for fold in range(FOLDS):
        out = folds == fold
        found = _ridge(x[~out], y[~out], weight[~out], strength)
        total += float(weight[out] @ (y[out] - x[out] @ found) ** 2)
    return total


def _ridge(x: Floats, y: Floats, weight: Floats, strength: float) -> Floats:
    """`(X'WX + strength * n / 100 * I)^-1 X'Wy`."""
    gram = x.T @ (x * weight[:, None]) + strength * len(y) / 100 * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(gram, x.T @ (weight * y)))


def _means(values: Floats, weights: Floats, tests: Ints) -> Floats:
    """The weighted mean of each row's test, as long as the rows."""
    flat = values.reshape(len(values), -1)
    sums = np.zeros((tests.max() + 1, flat.shape[1]))
    np.add.at(sums, tests, flat * weights[:, None])
    return (sums / np.maximum(np.bincount(tests, weights), 1e-12)[:, None])[tests].reshape(values.shape)


def top(scores: Floats, tests: Ints) -> Floats:
    """All chance on the best headline of each test, shared alike by those that tie, [rows]."""
    best = np.full(tests.max() + 1, -np.inf)
    np.maximum.at(best, tests, scores)
    wins = (scores == best[tests]).astype(np.float64)
    return wins / np.bincount(tests, wins)[tests]


def _values(arms: Headlines, later: Ints, picks: Mapping[str, Floats], judge: Floats) -> Floats:
    """Of each later test: a random headline's rate, then each policy's rate and its predicted lift, [tests, ...]."""
    tests = np.unique(arms.tests[later], return_inverse=True)[1]
    alike = 1 / np.bincount(tests)[tests]
    rates, foretold = arms.rates[later], judge[later]
    columns = [alike * rates, *(each * rates for each in picks.values()), *(
        (each - alike) * foretold for each in picks.values()
    )]  # fmt: skip
    return np.column_stack([np.bincount(tests, column) for column in columns])


def lifts(values: Floats, times: Floats) -> tuple[Floats, Floats]:
    """Predicted and measured lift of each policy, with tests counted `times`.

    Measured is `sum rate / sum rate of a random headline - 1`; predicted the mean of the judge's relative lifts.
    """
    sums = times @ values
    count = (values.shape[1] - 1) // 2
    return sums[1 + count :] / times.sum(), sums[1 : 1 + count] / sums[0] - 1


def _told(values: Floats, names: list[str]) -> dict[str, Any]:
    predicted, real = lifts(values, np.ones(len(values)))
    random = np.random.default_rng(4)
    drawn = [lifts(values, random.multinomial(len(values), [1 / len(values)] * len(values)).astype(float))
             for _ in range(DRAWS)]  # fmt: skip
    errors = np.std([each[1] for each in drawn], axis=0)
    straight = np.array([name not in INVERTED for name in names])
    by_tests = [float(np.corrcoef(*each)[0, 1]) for each in drawn]
    upright = [float(np.corrcoef(each[0][straight], each[1][straight])[0, 1]) for each in drawn]
    r, rho = correlation.pearson(predicted, real), correlation.spearman(predicted, real)
    line = correlation.slope(predicted, real)
    without = correlation.pearson(predicted[straight], real[straight])
    assert r is not None
    assert rho is not None
    assert line is not None
    assert without is not None
    low, high = np.quantile(by_tests, [0.025, 0.975])
    return {
        "r": r.r,
        "r_low": min(float(low), r.ci.low),
        "r_over_tests": [float(low), float(high)],
        "r_over_policies": [*r.ci],
        "r_without_inverted": [without.r, *np.quantile(upright, [0.025, 0.975]).tolist()],
        "rho": [rho.r, *rho.ci],
        "slope": [line.value, *line.ci],
        "policies": [
            {"name": name, "predicted": float(one), "measured": float(other), "error": float(error)}
            for name, one, other, error in zip(names, predicted, real, errors, strict=True)
        ],
    }
