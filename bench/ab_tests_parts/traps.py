"""Five tests in which an easy reading goes wrong, each with the answer that is right."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from experiments import ledger
from experiments.plan import Decides, Plan
from experiments.readout import read

Ints = NDArray[np.int64]
SEEN: Final = 10
"""Exposures of a user, unless a trap says otherwise."""


class Counts(NamedTuple):
    """What the users of one arm did: exposures, loves and closings, int64[users] each."""

    exposures: Ints
    loves: Ints
    closings: Ints


class Trap(NamedTuple):
    """What is right, in words and as the words that are, and what the product says of one draw."""

    right: str
    says: Callable[[np.random.Generator, Decides], str]
    accepted: tuple[str, ...]


def decision(arms: tuple[Counts, Counts], decides: Decides, lift: float, rng: np.random.Generator) -> str:
    """The product's word on a control and a treatment, the plan made for a lift; first loves come in any order."""
    sizes = [len(arm.loves) for arm in arms]
    columns: dict[str, Any] = {name: np.concatenate([getattr(arm, name) for arm in arms]) for name in Counts._fields}
    moments = rng.permutation(sum(sizes)) + 1_767_225_600_000_000
    columns["first_love"] = pa.array(moments, pa.timestamp("us", "UTC"), mask=columns["loves"] == 0)
    columns["user_id"] = np.arange(sum(sizes))
    columns["arm"] = np.repeat(["control", "treatment"], sizes)
    return read(pa.table(columns), Plan({"control": 0.5, "treatment": 0.5}, lift=lift, decides=decides)).decision


def total_loss(rng: np.random.Generator, decides: Decides) -> str:
    """1,000 loves in control and none in treatment, 40,000 exposures each, early in the plan: harm, to be stopped."""
    seen, ends = np.full(4_000, SEEN), _one_by(400, 4_000)
    none = np.zeros(4_000, np.int64)
    return decision((Counts(seen, _one_by(1_000, 4_000), ends), Counts(seen, none, ends)), decides, 0.05, rng)


def superfan(rng: np.random.Generator, decides: Decides) -> str:
    """300 loves by one treated user against 10 by 10 of control: no case for shipping."""
    seen, ends = np.full(20_000, SEEN), _one_by(2_000, 20_000)
    hers, loved = seen.copy(), np.zeros(20_000, np.int64)
    hers[0], loved[0] = 400, 300
    return decision((Counts(seen, _one_by(10, 20_000), ends), Counts(hers, loved, ends)), decides, 0.2, rng)


def _one_by(users: int, among: int) -> Ints:
    """One event by each of the first users; as closings, a guardrail that holds and cannot hide the trap."""
    return (np.arange(among) < users).astype(np.int64)


def composition(rng: np.random.Generator, decides: Decides) -> str:
    """The treatment drives half of the users who love seldom away, and nobody loves more: not to be shipped.

    Half of the users love 6.14 times as often as the others, whose exposures fall by half. Loves per exposure rise by
    24 % in expectation, loves per user who was dealt fall by 7 %.
    """
    often = np.arange(20_000) % 2 == 1
    chance = np.where(often, 0.0172, 0.0028)
    everything, less = np.full(20_000, SEEN), np.where(often, SEEN, SEEN // 2)
    arms = [Counts(seen, rng.binomial(seen, chance), rng.binomial(seen, 0.01)) for seen in (everything, less)]
    return decision((arms[0], arms[1]), decides, 0.2, rng)


def closings(rng: np.random.Generator, decides: Decides) -> str:
    """Loves rise by 60 %, and needless closings by half, from .86 to 1.28 %: not to be shipped."""
    seen = np.full(5_000, SEEN)
    arms = [
        Counts(seen, rng.binomial(seen, loves), rng.binomial(seen, ends))
        for loves, ends in ((0.01, 0.0086), (0.016, 0.0128))
    ]
    return decision((arms[0], arms[1]), decides, 0.2, rng)


def three_rows(rng: np.random.Generator, decides: Decides) -> str:
    """A ledger of three rows with r = .99: no proof that predictions rank candidates."""
    del rng, decides
    lifts = ((0.1, 0.08), (0.2, 0.17), (0.3, 0.31))
    rows = [
        {"predicted_lift": predicted, "measured_lift": measured, "measured_error": 0.05}
        for predicted, measured in lifts
    ]
    return "passed" if ledger.agreement(rows).passed else "not passed"


_NOT_SHIP = ("stop", "continue", "invalid")
TRAPS: Final = {
    "total loss": Trap("stop", total_loss, ("stop",)),
    "superfan": Trap("not ship", superfan, _NOT_SHIP),
    "composition": Trap("not ship", composition, _NOT_SHIP),
    "closings": Trap("not ship", closings, _NOT_SHIP),
    "three-row ledger": Trap("not passed", three_rows, ("not passed",)),
}
DECIDES: Final[tuple[Decides, ...]] = ("lovers", "ratio")


def measured(draws: int) -> dict[str, Any]:
    """How many of the five traps are seen through, in every draw and whichever test decides."""
    told: dict[str, Any] = {}
    for name, trap in tqdm(TRAPS.items(), desc="traps", disable=None):
        said = {
            decides: [trap.says(np.random.default_rng([5, draw]), decides) for draw in range(draws)]
            for decides in DECIDES
        }
        told[name] = {
            "right": trap.right,
            "said": {decides: sorted(set(words)) for decides, words in said.items()},
            "draws": draws,
            "wrong": sum(word not in trap.accepted for words in said.values() for word in words),
        }
    return {"traps_right": sum(each["wrong"] == 0 for each in told.values()), "traps": told}
