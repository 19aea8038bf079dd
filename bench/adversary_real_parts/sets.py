"""The two labelled sets, as features and labels, and the timed stars."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from training.trust.actions import Actions, Features, of_actions, of_counts
from warehouse.adversary.groups import co_reactions, lockstep

MICROSECONDS = 1_000_000
CALENDAR = ("first", "last")
"""Figures that say *when in the log's years* an account was there, not how it behaved."""


class Labelled(NamedTuple):
    """Accounts with a label: figures, and whether each is bad."""

    features: Features
    bad: NDArray[np.bool_]


def accounts(folder: Path) -> Labelled:
    """starscout: tallies of public events by kind; accounts in both lists are left out of the sample."""
    kinds, bad = _tallies(folder / "suspected_fake_accounts.csv")
    _, sample = _tallies(folder / "sampled_accounts.csv")
    good = [tally for name, tally in sample.items() if name not in bad]
    counts = np.array([*bad.values(), *good])
    return Labelled(of_counts(counts, kinds), np.arange(len(counts)) < len(bad))


def raters(folder: Path) -> dict[str, Labelled]:
    """bitcoin_otc, four ways of looking at an account; the whole unlabelled graph serves for the figures.

    `own`: what the account does to others. `own, no calendar`: without when in the log's six years it came.
    `own and being rated`: also when and by whom it was rated, not how. `everything`: also how, its reputation.
    """
    rows = np.loadtxt(folder / "ratings.csv", delimiter=",")
    labels = np.loadtxt(folder / "ground_truth.csv", delimiter=",", dtype=np.int64)
    names, places = np.unique(np.concatenate([rows[:, 0], rows[:, 1], labels[:, 0]]), return_inverse=True)
    rater, rated, labelled = np.split(places.reshape(-1), [len(rows), 2 * len(rows)])
    actions = Actions(rater, rated, rows[:, 3], rows[:, 2])
    users = len(names)
    own = of_actions(actions, users).beside(_lockstep(actions, users))
    kept = np.array([name not in CALENDAR for name in own.names])
    looks = {
        "own": own,
        "own, no calendar": Features(tuple(np.array(own.names)[kept]), own.values[:, kept]),
        "own and being rated": own.beside(of_actions(actions.received(), users)),
        "everything": own.beside(of_actions(Actions(rated, rater, rows[:, 3], rows[:, 2]), users)),
    }
    bad = labels[:, 1] < 0
    return {look: Labelled(Features(each.names, each.values[labelled]), bad) for look, each in looks.items()}


def stars(folder: Path) -> co_reactions.CoReactions:
    """The timed stars of starscout, as the lockstep search reads them."""
    table = pyarrow.csv.read_csv(folder / "suspected_fake_stars.csv").rename_columns(["object", "user", "at"])
    return co_reactions.encode(table.set_column(2, "at", table["at"].cast(pa.timestamp("us"))))


def _lockstep(actions: Actions, users: int) -> Features:
    """The filter's own lockstep score of each rater, whatever group it stands in."""
    names = pa.array(np.arange(users))
    table = pa.table(
        {
            "user": names.take(pa.array(actions.user)).cast(pa.string()),
            "object": pa.array(actions.target).cast(pa.string()),
            "at": (actions.at * MICROSECONDS).astype(np.int64),
        }
    )
    encoded = co_reactions.encode(table)
    found = lockstep.find(encoded, budget=0.01)
    score = np.zeros(users)
    score[[int(name) for name in encoded.users.to_pylist()]] = found.scores
    return Features(("lockstep",), score[:, None])


def _tallies(path: Path) -> tuple[tuple[str, ...], dict[str, list[float]]]:
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    return tuple(head[1:]), {name: [float(cell) for cell in cells] for name, *cells in rows}
