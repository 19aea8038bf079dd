"""Real tests of headlines: what half of a test says, held against its other half; and arms against themselves.

Impressions of a headline are dealt into halves, and into looks, at random: the archive has no times. What is tested are
intervals and errors on real counts, and that those who stop at a high estimate are told a lower one.
"""

import math
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from offline_online_parts import headlines
from scipy.stats import norm
from tqdm import tqdm

from ab_tests_parts import ours
from ab_tests_parts.false_alarms import share
from experiments.effect import ArmSums, Effect, relative
from experiments.shrinkage import shrunk

FILE: Final = "upworthy/arms_before_201447.parquet"
LATER: Final = 0.2
"""Share of the tests, the latest, that is read; the rate that plans are made with is that of the others."""
LOOKS: Final = 10


class Halves(NamedTuple):
    """A test of two headlines, its first half looked at `LOOKS` times.

    Attributes:
        first: Log ratio of the first half, and `second` of the second.
        errors: Their standard errors.
        effect: The first half as the product reads it at its end.
        stop: Log ratio at the look that showed a difference; None where none did, or an arm had no click then.
        shrunk: The same for looks that could have ended the test.
    """

    first: float
    second: float
    errors: tuple[float, float]
    effect: Effect
    stop: float | None
    shrunk: float | None


def measured(data: Path, *, tests: int | None, placebos: int) -> dict[str, Any]:
    """Agreement of halves, decisions, and false alarms of arms against themselves.

    Args:
        data: Folder of the real data.
        tests: Take so many tests, evenly over time; None takes all.
        placebos: Arms that are tested against themselves.
    """
    if not (data / FILE).exists():
        return {"upworthy": f"left out: {data / FILE} is not there"}
    arms = headlines.read(data / FILE, least_tests=tests)
    rng = np.random.default_rng(9)
    cut = int((1 - LATER) * (arms.tests.max() + 1))
    before = arms.tests < cut
    rate = float(arms.clicks[before].sum() / arms.shown[before].sum())
    pairs = [np.flatnonzero(arms.tests == test)[:2] for test in range(cut, int(arms.tests.max()) + 1)]
    read = [_halves(arms, pair, rate, rng) for pair in tqdm(pairs, desc="upworthy: halves", disable=None)]
    halves = [each for each in read if each is not None]
    return {
        "upworthy": {"tests": len(pairs), "read": len(halves)} | _agreement(halves) | _placebos(arms, placebos, rng)
    }


def independent(clicks: int, shown: int) -> ArmSums:
    """The sums of an arm whose every impression is another user's."""
    return ArmSums(shown, clicks, shown, clicks, shown, clicks, clicks)


def _halves(arms: headlines.Headlines, pair: Any, rate: float, rng: np.random.Generator) -> Halves | None:
    """The first two headlines of a test, each dealt into looks and a rest; None where one has no click in a half."""
    shown, clicks = arms.shown[pair].astype(int), arms.clicks[pair].astype(int)
    cells = np.stack([[all_of // (2 * LOOKS)] * LOOKS + [all_of - all_of // (2 * LOOKS) * LOOKS] for all_of in shown])
    won = np.stack([rng.multivariate_hypergeometric(*each) for each in zip(cells, clicks, strict=True)])
    counts = np.stack([won[:, :LOOKS].sum(axis=1), won[:, LOOKS]])
    if counts.min() == 0:
        return None
    sizes = np.stack([cells[:, :LOOKS].sum(axis=1), cells[:, LOOKS]])
    logs = np.log(counts[:, 1] / sizes[:, 1]) - np.log(counts[:, 0] / sizes[:, 0])
    errors = np.sqrt((1 / counts - 1 / sizes).sum(axis=1))
    planned = 1 / ((1 - rate) / rate * float((1 / sizes[0]).sum()))
    looks = [_read(c, n, planned) for c, n in zip(won.T[:LOOKS].cumsum(0), cells.T[:LOOKS].cumsum(0), strict=True)]
    stop = next((place for place, each in enumerate(looks) if _shows(each)), None)
    at = None if stop is None or not math.isfinite(looks[stop].standard_error) else stop
    estimate = None if at is None else math.log1p(looks[at].lift or 0.0)
    return Halves(
        float(logs[0]), float(logs[1]), (float(errors[0]), float(errors[1])), looks[-1],
        estimate, None if at is None or estimate is None else _shrunk(estimate, looks, at),
    )  # fmt: skip


def _shows(effect: Effect) -> bool:
    return not effect.anytime_ci.low <= 0 <= effect.anytime_ci.high


def _shrunk(estimate: float, looks: list[Effect], at: int) -> float:
    last_look = min(looks[at - 1].information, looks[at].information) if at else 0.0
    error, information = looks[at].standard_error, looks[at].information
    return shrunk(estimate, error, information, last_look=last_look, alpha=ours.ALPHA)


def _agreement(halves: list[Halves]) -> dict[str, Any]:
    def held(low: float, high: float, value: float) -> bool:
        return low <= math.expm1(value) <= high

    apart = [abs(each.first - each.second) / math.hypot(*each.errors) for each in halves]
    shown = [each for each in halves if each.stop is not None and each.shrunk is not None]
    signs = [math.copysign(1.0, each.stop or 0.0) for each in shown]

    def mean(name: str) -> float | None:
        sizes = [getattr(each, name) * sign for each, sign in zip(shown, signs, strict=True)]
        return float(np.mean(sizes)) if sizes else None

    return {
        # Two halves are within 1.96 of their joint errors in 95 %; the one-look interval of the first alone, made for
        # the truth and not for another estimate, holds the second in 2 Phi(1.96 / sqrt 2) - 1 = 83 %.
        "halves_agree": share(sum(each <= norm.ppf(0.975) for each in apart), len(apart)),
        "one_look_interval_holds_second_half": share(
            sum(held(*each.effect.ci, each.second) for each in halves), len(halves)
        ),
        "one_look_expected": float(2 * norm.cdf(norm.ppf(0.975) / math.sqrt(2)) - 1),
        "any_look_interval_holds_second_half": share(
            sum(held(*each.effect.anytime_ci, each.second) for each in halves), len(halves)
        ),
        "shown": len(shown),
        "shown_and_second_half_of_same_sign": sum(
            each.second * sign > 0 for each, sign in zip(shown, signs, strict=True)
        ),
        "log_ratio_at_the_stop": mean("stop"),
        "log_ratio_at_the_stop_shrunk": mean("shrunk"),
        "log_ratio_in_second_half": mean("second"),
    }


def _placebos(arms: headlines.Headlines, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """Arms whose impressions are dealt to two sides and to `LOOKS` looks: nothing can differ."""
    enough = np.flatnonzero(arms.clicks >= 20)
    chosen = rng.permutation(enough)[:count]
    always = peeked = 0
    for at in tqdm(chosen.tolist(), desc="upworthy: arms against themselves", disable=None):
        shown, clicks = int(arms.shown[at]), int(arms.clicks[at])
        cells = np.bincount(rng.integers(0, 2 * LOOKS, shown), minlength=2 * LOOKS)
        won = rng.multivariate_hypergeometric(cells, clicks).reshape(LOOKS, 2).cumsum(axis=0)
        seen = cells.reshape(LOOKS, 2).cumsum(axis=0)
        # the plan ends with the arm, where 1/se^2 is about a quarter of its clicks
        read = [_read(won[look], seen[look], clicks / 4) for look in range(LOOKS)]
        always += any(map(_shows, read))
        peeked += any(not each.ci.low <= 0 <= each.ci.high for each in read)
    return {"placebo_false_alarms": share(always, len(chosen)), "placebo_peeked": share(peeked, len(chosen))}


def _read(won: Any, seen: Any, planned: float) -> Effect:
    """Two sides at a look."""
    sides = [independent(int(c), int(n)) for c, n in zip(won, seen, strict=True)]
    return relative(sides[0], sides[1], planned_information=planned, alpha=ours.ALPHA)
