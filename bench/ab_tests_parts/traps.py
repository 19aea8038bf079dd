"""Five tests in which an easy reading goes wrong, each with the answer that is right."""

from collections.abc import Callable
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from experiments import ledger
from experiments.plan import Guardrail, Plan
from experiments.readout import read

Ints = NDArray[np.int64]
SEEN = 10
"""Exposures of a user, unless a trap says otherwise."""


class Counts(NamedTuple):
    """What the users of one arm did: exposures, loves and closings, int64[users] each."""

    exposures: Ints
    loves: Ints
    closings: Ints


def decision(control: Counts, treatment: Counts, *, planned: int) -> str:
    """The product's word on two arms, `planned` exposures an arm, needless closings guarded at a quarter more."""
    arms = {"control": control, "treatment": treatment}
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(each, name) for each in arms.values()]) for name in Counts._fields
    }
    columns["arm"] = [name for name, each in arms.items() for _ in each.loves]
    columns["user_id"] = [f"{name}-{number}" for name, each in arms.items() for number in range(len(each.loves))]
    plan = Plan(exposures=planned, shares={"control": 0.5, "treatment": 0.5})
    return read(pa.table(columns), plan, guardrails=[Guardrail("closings", 1.25, "needless closings")]).decision


def total_loss(rng: np.random.Generator) -> tuple[str, bool]:
    """1,000 loves in control and none in treatment, 40,000 exposures each, a tenth of the plan: harm, to be stopped."""
    del rng
    seen, none = np.full(4_000, SEEN), np.zeros(4_000, np.int64)
    word = decision(Counts(seen, _one_by(1_000, 4_000), none), Counts(seen, none, none), planned=400_000)
    return word, word == "stop"


def superfan(rng: np.random.Generator) -> tuple[str, bool]:
    """300 loves by one treated user against 10 by 10 of control, half-way: no case for shipping."""
    del rng
    seen, ends = np.full(20_000, SEEN), _one_by(2_000, 20_000)
    hers, loved = seen.copy(), np.zeros(20_000, np.int64)
    hers[0], loved[0] = 400, 300
    word = decision(Counts(seen, _one_by(10, 20_000), ends), Counts(hers, loved, ends), planned=400_000)
    return word, word != "ship"


def _one_by(users: int, among: int) -> Ints:
    """One event by each of the first users; as closings, a guardrail that holds and cannot hide the trap."""
    return (np.arange(among) < users).astype(np.int64)


def composition(rng: np.random.Generator) -> tuple[str, bool]:
    """The treatment drives half of the users who love seldom away, and nobody loves more: not to be shipped.

    Half of the users love 6.14 times as often as the others, whose exposures fall by half. Loves per exposure rise by
    24 % in expectation, loves per user who was dealt fall by 7 %.
    """
    often = np.arange(20_000) % 2 == 1
    chance = np.where(often, 0.0172, 0.0028)
    arms = [
        Counts(seen, rng.binomial(seen, chance), rng.binomial(seen, 0.01))
        for seen in (np.full(20_000, SEEN), np.where(often, SEEN, 5))
    ]
    word = decision(arms[0], arms[1], planned=150_000)
    return word, word != "ship"


def closings(rng: np.random.Generator) -> tuple[str, bool]:
    """Loves rise by 60 %, and needless closings by half, from .86 to 1.28 %: not to be shipped."""
    seen = np.full(5_000, SEEN)
    arms = [Counts(seen, rng.binomial(seen, loves), rng.binomial(seen, ends)) for loves, ends in _RATES]
    word = decision(arms[0], arms[1], planned=50_000)
    return word, word != "ship"


_RATES = ((0.01, 0.0086), (0.016, 0.0128))


def three_rows(rng: np.random.Generator) -> tuple[str, bool]:
    """A ledger of three rows with r = .99: no proof that predictions rank candidates."""
    del rng
    rows = [
        ledger.row(
            f"candidate-{number}",
            predicted_lift=predicted,
            measured_lift=measured,
            measured_ci=(measured - 0.1, measured + 0.1),
            experiment=f"experiment-{number}",
            day=date(2026, 1, number + 1),
        )
        for number, (predicted, measured) in enumerate(((0.1, 0.08), (0.2, 0.17), (0.3, 0.31)))
    ]
    passed = ledger.agreement([row._asdict() for row in rows]).passed
    return "passed" if passed else "not passed", not passed


TRAPS: dict[str, tuple[Callable[[np.random.Generator], tuple[str, bool]], str]] = {
    "total loss": (total_loss, "stop"),
    "superfan": (superfan, "not ship"),
    "composition": (composition, "not ship"),
    "closings": (closings, "not ship"),
    "three-row ledger": (three_rows, "not passed"),
}
"""By name: the trap, and what is right."""


def measured(draws: int) -> dict[str, Any]:
    """How many of the five traps are seen through, in every draw of those that chance has a part in."""
    told: dict[str, Any] = {}
    for name, (trap, right) in TRAPS.items():
        times = draws if trap in (composition, closings) else 1
        found = [
            trap(np.random.default_rng([5, draw])) for draw in tqdm(range(times), desc=f"trap: {name}", leave=False)
        ]
        words = sorted({word for word, _ in found})
        told[name] = {"right": right, "said": words, "draws": times, "wrong": sum(not good for _, good in found)}
    return {"traps_right": sum(each["wrong"] == 0 for each in told.values()), "traps": told}
