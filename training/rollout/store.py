"""Rollouts and their scores on disk, named by everything that they depend on.

The first round of every Love weight starts from the same incumbent, prompts and seed: with a shared store, a sweep pays
for it once, and an interrupted round finds its samples again.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streams.record_fields import fields_of
from training.disk import kept, whole
from training.rollout.generator import Draw, Generator, InPieces, Sample
from training.text import Conversation


class Rollouts(NamedTuple):
    """K samples for each conversation, under a name that says what they depend on."""

    key: str
    samples: list[list[Sample]]


class RolloutStore:
    """A directory of rollouts (Parquet) and scores (.npy); files appear whole or not at all.

    Args:
        directory: Made when it is not there; several runs may share it.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def rollouts(
        self,
        who: Generator,
        conversations: Sequence[Conversation],
        how: Draw,
        *,
        desc: str = "sample",
        seen: Callable[[int, list[list[Sample]]], object] = lambda *_: None,
    ) -> Rollouts:
        """A policy version's samples: read back, or drawn and kept.

        Args:
            who: Draws.
            conversations: Each ends with the user's last message.
            how: Samples and chance.
            desc: Labels the progress.
            seen: Told of samples while others are still being drawn, of generators that hand them over in pieces: the
                place of the first conversation, and the samples. What it raises is raised once all are drawn and kept.
        """
        key = _hash([who.engine, who.version, conversations, [*fields_of(how).values()]])
        file = self._directory / f"rollouts-{key}.parquet"
        there = kept(file, lambda place: _samples(pq.read_table(place), how.samples, who.version), "a file of samples")
        if there is None or [len(each) for each in there] != [how.samples] * len(conversations):
            drawn, failed = _drawn(who, conversations, how, desc, seen)
            whole(file, partial(pq.write_table, _table(drawn)), f"what {who.version} drew ({desc})")
            if failed is not None:
                raise failed
            there = _samples(pq.read_table(file), how.samples, who.version)
        return Rollouts(key, there)

    def scores(
        self, rollouts: Rollouts, reward_version: str, score: Callable[[], np.ndarray], *, first: int | None = None
    ) -> np.ndarray:
        """A reward model's scores, float64 [prompts, K]: read back, or computed by `score` and kept.

        Args:
            rollouts: What is scored.
            reward_version: Names all else that the scores depend on.
            score: Computes them.
            first: Of so many prompts, from the first; None: of all.
        """
        count = len(rollouts.samples) if first is None else first
        file = self._directory / f"scores-{_hash([rollouts.key, reward_version])}.npy"
        scores = kept(file, _scores, "a file of scores")
        if scores is None or len(scores) != count:
            scores = score()
            whole(file, partial(_save, scores), f"the scores of {len(scores):,} prompts' samples by {reward_version}")
        return scores


def _drawn(
    who: Generator,
    conversations: Sequence[Conversation],
    how: Draw,
    desc: str,
    seen: Callable[[int, list[list[Sample]]], object],
) -> tuple[list[list[Sample]], Exception | None]:
    """All samples, and what whoever saw them failed of; he is told of no more then."""
    if not isinstance(who, InPieces):
        return who.sample(conversations, **fields_of(how), desc=desc), None
    drawn: list[list[Sample]] = []
    failed: Exception | None = None
    for piece in who.pieces(conversations, **fields_of(how), desc=desc):
        start, drawn = len(drawn), drawn + piece
        if failed is None:
            try:
                seen(start, piece)
            except Exception as error:  # the samples are kept first
                failed = error
    return drawn, failed


def _scores(file: Path) -> np.ndarray:
    found: np.ndarray = np.load(file)
    if not np.isfinite(found).all():
        raise ValueError("not all of them are finite")
    return found


def _save(values: np.ndarray, file: Path) -> None:
    with file.open("wb") as opened:
        np.save(opened, values)


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:20]


def _table(drawn: list[list[Sample]]) -> pa.Table:
    flat = [sample for several in drawn for sample in several]
    return pa.table(
        {
            "text": pa.array([each.text for each in flat], pa.string()),
            "token_ids": pa.array([each.token_ids for each in flat], pa.list_(pa.int32())),
            "logprobs": pa.array([each.logprobs for each in flat], pa.list_(pa.float32())),
        }
    )


def _samples(table: pa.Table, samples: int, version: str) -> list[list[Sample]]:
    texts = table["text"].to_pylist()
    ids = _rows(table["token_ids"].combine_chunks())
    logprobs: Sequence[np.ndarray | None] = [None] * len(texts)
    if not table["logprobs"].null_count:  # a draw has all of them or none
        logprobs = _rows(table["logprobs"].combine_chunks())
    flat = [Sample(text, some, chances, version) for text, some, chances in zip(texts, ids, logprobs, strict=True)]
    return [flat[start : start + samples] for start in range(0, len(flat), samples)]


def _rows(lists: pa.ListArray) -> list[np.ndarray]:
    return np.split(lists.flatten().to_numpy(), lists.offsets.to_numpy()[1:-1]) if len(lists) else []
