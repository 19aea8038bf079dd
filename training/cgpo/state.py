"""What an interrupted optimisation goes on from: the engine's state every few steps, and the lesson of its round."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from streams.record_fields import fields_of
from training.cgpo.epoch import EpochProgress
from training.cgpo.lesson import Lesson, Pair, Weighted
from training.cgpo.report import RoundReport, TaskRound
from training.disk import kept, told, whole
from training.engine.engine import Engine
from training.policy.batches import EncodedAnswer

LESSON = "lesson.pt"


class Progress(NamedTuple):
    """How far an optimisation is.

    Attributes:
        round: Rounds done.
        learnt: Within the next one.
        reports: One for each round done.
    """

    round: int = 0
    learnt: EpochProgress = EpochProgress()
    reports: tuple[RoundReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a round's first half leaves to its second, so that neither is done twice.

    Attributes:
        round: From 0.
        policy: The version that wrote the samples.
        lesson: What is learnt.
        seen: What the report says of each task.
        seconds: That collecting took.
    """

    round: int
    policy: str
    lesson: Lesson
    seen: list[TaskRound]
    seconds: float


def save(directory: Path, engine: Engine, progress: Progress) -> None:
    """Keep the engine's state and the progress; whole, or the previous one is still there.

    Raises:
        OSError: It could not be written, with what to do.
    """
    content: Mapping[str, Any] = {
        "round": progress.round,
        "learnt": list(fields_of(progress.learnt).values()),
        "reports": [report.model_dump_json() for report in progress.reports],
    }
    with told(directory, f"the state of round {progress.round + 1}, step {progress.learnt.steps}"):
        engine.save(directory, content)


def resume(directory: Path, engine: Engine) -> Progress:
    """Bring the engine to where `save` left it; without a state, the start."""
    content = engine.load(directory)
    if content is None:
        return Progress()
    reports = tuple(RoundReport.model_validate_json(each) for each in content["reports"])
    return Progress(content["round"], EpochProgress(*content["learnt"]), reports)


def save_prepared(directory: Path, prepared: Prepared) -> None:
    """Keep a round's lesson; whole, or not at all.

    Raises:
        OSError: It could not be written, with what to do.
    """
    lesson = prepared.lesson
    sequences = [row.sequence for row in lesson.weighted]
    sequences += [each for pair in lesson.pairs for each in (pair.good, pair.bad)]
    content = {
        "about": json.dumps([prepared.round, prepared.policy, prepared.seconds]),
        "seen": [each.model_dump_json() for each in prepared.seen],
        "ids": torch.from_numpy(np.concatenate([each.ids for each in sequences])),
        "lengths": torch.tensor([[len(each.ids), each.prompt] for each in sequences]),
        "weights": torch.tensor([row.weight for row in lesson.weighted], dtype=torch.float64),
        "pairs": torch.tensor([_numbers(pair) for pair in lesson.pairs], dtype=torch.float64),
    }
    directory.mkdir(parents=True, exist_ok=True)
    whole(directory / LESSON, partial(torch.save, content), f"the lesson of round {prepared.round + 1}")


def _numbers(pair: Pair) -> list[float]:
    """What is kept of a pair beside its sequences, in the order in which `_read_prepared` takes it."""
    return [pair.reference_good, pair.reference_bad, pair.weight, pair.beta, pair.imitation]


def load_prepared(directory: Path, number: int) -> Prepared | None:
    """The lesson of a round, where it was kept."""
    found = kept(directory / LESSON, _read_prepared, f"the lesson of round {number + 1}")
    return found if found is not None and found.round == number else None


def _read_prepared(file: Path) -> Prepared:
    content = torch.load(file, weights_only=True)
    about = json.loads(content["about"])
    lengths = content["lengths"].numpy()
    ids = np.split(content["ids"].numpy(), np.cumsum(lengths[:, 0])[:-1])
    sequences = [EncodedAnswer(some, int(prompt)) for some, prompt in zip(ids, lengths[:, 1], strict=True)]
    weights = content["weights"].tolist()
    rows = [Weighted(sequence, weight) for sequence, weight in zip(sequences, weights, strict=False)]
    good, bad = sequences[len(rows) :: 2], sequences[len(rows) + 1 :: 2]
    pairs = [
        Pair(one, other, *numbers) for one, other, numbers in zip(good, bad, content["pairs"].tolist(), strict=True)
    ]
    seen = [TaskRound.model_validate_json(each) for each in content["seen"]]
    return Prepared(about[0], about[1], Lesson(rows, pairs), seen, about[2])
