"""The texts that are compared: a policy's responses with their prompts, and two such corpora side by side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stats.clusters import FEWEST
from stats.estimate import Floats
from training.text import Conversation


@dataclass(frozen=True, slots=True)
class Corpus:
    """One policy's responses.

    Attributes:
        conversations: Each up to the user's last message.
        responses: As many.
        users: Who was answered; None where nobody is known.
        weights: Of each response, above 0; None weighs all alike.
        segments: The kind of each prompt; None has them found.
        proxy: What each response scores by the optimised reward; NaN where it was not scored.
        judge: The same by a judge that did not rank.
    """

    conversations: Sequence[Conversation]
    responses: Sequence[str]
    users: Sequence[str] | None = None
    weights: Floats | None = None
    segments: Sequence[str] | None = None
    proxy: Floats | None = None
    judge: Floats | None = None

    def __post_init__(self) -> None:
        """Refuse columns of other lengths, and weights that are none."""
        count = len(self.responses)
        if not count:
            raise ValueError("0 responses, must be at least one on each side")
        for name in ("conversations", "users", "weights", "segments", "proxy", "judge"):
            column = getattr(self, name)
            if column is not None and len(column) != count:
                raise ValueError(f"{len(column):,} {name} for {count:,} responses, must be one for each")
        if self.weights is not None and not (np.isfinite(self.weights).all() and np.min(self.weights) > 0):
            raise ValueError(f"a weight is {np.min(self.weights)}, must each be above 0: leave out what has none")


@dataclass(frozen=True, slots=True)
class CorpusPair:
    """Two corpora, the baseline's rows first.

    Attributes:
        conversations: Of both.
        responses: Of both.
        candidate: Bool [rows], whose each row is.
        shares: Float64 [rows], each row's share of its side's weight, so that either side's sum to 1.
        clusters: int64 [rows], from 0 on: rows of one cluster are not independent, on whichever side they are.
        unit: What a cluster is: `user`, or `prompt` where users are not known.
        segments: The kind of each prompt; None where they are to be found.
        proxy: Float64 [rows], NaN where not scored.
        judge: Float64 [rows], NaN where not scored.
    """

    conversations: list[Conversation]
    responses: list[str]
    candidate: npt.NDArray[np.bool_]
    shares: Floats
    clusters: npt.NDArray[np.int64]
    unit: str
    segments: npt.NDArray[Any] | None
    proxy: Floats
    judge: Floats

    @property
    def units(self) -> int:
        """How many clusters there are."""
        return int(self.clusters.max()) + 1

    def part(self, rows: npt.NDArray[np.bool_]) -> "CorpusPair":
        """Some of the rows as a pair of their own, shares summing to 1 again; both sides must have some."""
        shares = self.shares * rows
        total = np.where(self.candidate, shares[self.candidate].sum(), shares[~self.candidate].sum())
        places = np.flatnonzero(rows)
        return CorpusPair(
            conversations=[self.conversations[place] for place in places],
            responses=[self.responses[place] for place in places],
            candidate=self.candidate[places],
            shares=(shares / total)[places],
            clusters=np.unique(self.clusters[places], return_inverse=True)[1],
            unit=self.unit,
            segments=None if self.segments is None else self.segments[places],
            proxy=self.proxy[places],
            judge=self.judge[places],
        )


def paired(baseline: Corpus, candidate: Corpus) -> CorpusPair:
    """Put two corpora side by side; responses to one user, or to one prompt, are of one cluster on both sides.

    So a prompt that both answered counts as a pair, in a test of two arms every user stands alone, and several answers
    to a prompt are never taken for independent. With fewer than ten users prompts are the units.

    >>> asked = [[{"role": "user", "content": "Tea?"}]]
    >>> both = paired(Corpus(asked, ["Yes."]), Corpus(asked * 2, ["No.", "Never."]))
    >>> both.clusters.tolist(), both.shares.tolist(), both.unit
    ([0, 0, 0], [1.0, 0.5, 0.5], 'prompt')
    """
    sides = (baseline, candidate)
    conversations = [each for side in sides for each in side.conversations]
    owners = [user for side in sides for user in side.users or ()]
    known = len(owners) == len(conversations) and len({*owners}) >= FEWEST
    names = owners if known else [_prompt(each) for each in conversations]
    places: dict[str, int] = {}
    segments = [side.segments for side in sides]
    return CorpusPair(
        conversations=conversations,
        responses=[each for side in sides for each in side.responses],
        candidate=np.repeat([False, True], [len(side.responses) for side in sides]),
        shares=np.concatenate([_shares(side) for side in sides]),
        clusters=np.array([places.setdefault(name, len(places)) for name in names], np.int64),
        unit="user" if known else "prompt",
        segments=None
        if any(each is None for each in segments)
        else np.array([name for side in segments for name in side or ()], dtype=object),
        proxy=np.concatenate([_scores(side.proxy, side) for side in sides]),
        judge=np.concatenate([_scores(side.judge, side) for side in sides]),
    )


def last_message(conversation: Conversation) -> str:
    """What the user said last; empty when they have not spoken."""
    return next((turn["content"] for turn in reversed(conversation) if turn["role"] == "user"), "")


def _prompt(conversation: Conversation) -> str:
    return json.dumps([[turn["role"], turn["content"]] for turn in conversation], ensure_ascii=False)


def _shares(side: Corpus) -> Floats:
    weights = np.ones(len(side.responses)) if side.weights is None else np.asarray(side.weights, np.float64)
    return np.asarray(weights / weights.sum())


def _scores(scores: Floats | None, side: Corpus) -> Floats:
    return np.full(len(side.responses), np.nan) if scores is None else np.asarray(scores, np.float64)
