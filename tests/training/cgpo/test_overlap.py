"""Samples that come in pieces are scored and judged while others are drawn, and nothing else differs by it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.cgpo.candidates import RoundContext, prompt_room
from training.cgpo.collection import Taught, collect
from training.cgpo.config import CgpoConfig
from training.cgpo.tasks import Task
from training.judges.verdict import PASS, Verdict
from training.policy.load import load_policy
from training.rollout.generator import InPieces, Sample, TransformersGenerator
from training.rollout.policy_source import LocalSpeaker
from training.rollout.store import RolloutStore

Prompts = list[list[dict[str, str]]]
CONFIG = CgpoConfig(rounds=1, prompts=7, samples=4, max_new_tokens=16, optimiser="crpg", pairs=True)


class Pieces(TransformersGenerator):
    """Hands over three conversations at a time, and notes when."""

    engine, piece = "pieces", 3

    def note(self, events: list[str]) -> "Pieces":
        self.events = events
        return self

    def pieces(self, conversations: Prompts, **how: Any) -> Iterator[list[list[Sample]]]:
        drawn = self.sample(conversations, **how)
        for start in range(0, len(drawn), self.piece):
            self.events.append("drawn")
            yield drawn[start : start + self.piece]


class Silent(Pieces):
    """Leaves log-probabilities out, as a server does that is not asked for them."""

    def sample(self, conversations: Prompts, **how: Any) -> list[list[Sample]]:
        self.events.append("asked" if how["logprobs"] else "spared")
        return [[each._replace(logprobs=None) for each in some] for some in super().sample(conversations, **how)]


class Long:
    """Rewards long answers, and notes when it is asked; its scores depend on what is scored together."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def logits(self, _: list, responses: list) -> np.ndarray:
        self.events.append("scored")
        return np.array([len(text) / 20 for text in responses]) + 1e-9 * len(responses)


def collected(
    policy: Path,
    asked: Prompts,
    work: Path,
    events: list[str],
    *,
    breaks: bool = False,
    later: bool = False,
    silent: bool = False,
    dials: Mapping[str, Any] | None = None,
) -> Taught:
    def no_bye(_: list, response: str) -> Verdict:
        events.append("judged")
        if breaks:
            raise KeyError("bye")
        return Verdict(True, "bye", None, response.removesuffix(" bye!")) if response.endswith(" bye!") else PASS

    frozen = load_policy(policy)
    task = Task("love", asked[:7], Long(events), 1.0, reward_version="long")
    context = RoundContext(
        TransformersGenerator.of_policy(frozen, "tiny@1"), frozen, {"bye": no_bye}, RolloutStore(work),
        CONFIG.model_copy(update=dials or {}), prompt_room(frozen.model, CONFIG), LocalSpeaker(),
    )  # fmt: skip
    trained = load_policy(policy)
    if later:
        with torch.no_grad():
            trained.model.lm_head.weight.add_(0.02 * torch.randn(trained.model.lm_head.weight.shape))
    kind = Silent if silent else Pieces
    who = kind.of_policy(trained, "later@2" if later else "tiny@1").note(events)
    assert isinstance(who, InPieces)
    assert not isinstance(context.reference, InPieces)
    return collect(task, [task], range(7), policy=who, trained=trained, number=0, context=context)


def test_scores_and_lesson_are_those_of_samples_that_were_all_there(
    policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    overlapped, plain = list[str](), list[str]()
    first = collected(policy, asked, tmp_path, overlapped)
    kept = {file.name: np.load(file) for file in tmp_path.glob("scores-*.npy")}
    for name in kept:
        (tmp_path / name).unlink()
    again = collected(policy, asked, tmp_path, plain)  # samples are read back: nothing is drawn any more
    assert list(dict.fromkeys(overlapped)) == ["drawn", "scored", "judged"]
    last = len(overlapped) - 1 - overlapped[::-1].index("drawn")
    assert overlapped[:last].count("scored") == 2
    assert 0 < overlapped[:last].count("judged") < overlapped.count("judged")
    assert overlapped.count("judged") == plain.count("judged")
    assert "drawn" not in plain
    assert len(kept) == 2
    for name, scores in kept.items():
        assert np.array_equal(np.load(tmp_path / name), scores)
    assert first.report == again.report
    assert first.minimal
    assert [each.weight for each in first.lesson.weighted] == [each.weight for each in again.lesson.weighted]
    assert all(
        np.array_equal(one.sequence.ids, two.sequence.ids)
        for one, two in zip(first.lesson.weighted, again.lesson.weighted, strict=True)
    )
    assert torch.isfinite(torch.tensor([each.weight for each in first.lesson.weighted])).all()


def test_what_a_judge_fails_of_is_raised_once_the_samples_are_kept(
    policy: Path, asked: Prompts, tmp_path: Path
) -> None:
    events = list[str]()
    with pytest.raises(ValueError, match=r"judge 'bye' raised KeyError .* in task love, round 1"):
        collected(policy, asked, tmp_path, events, breaks=True)
    assert events.count("drawn") == 3
    assert len([*tmp_path.glob("rollouts-*.parquet")]) == 1
    collected(policy, asked, tmp_path, events)
    assert events.count("drawn") == 3


@pytest.mark.parametrize("optimiser", ["crraft", "crpg"])
def test_without_log_probabilities_the_policy_reads_what_it_learns_from_and_the_lesson_is_the_same(
    policy: Path, asked: Prompts, tmp_path: Path, optimiser: str
) -> None:
    found = []
    for silent in (False, True):
        torch.manual_seed(0)
        work, dials = tmp_path / str(silent), {"optimiser": optimiser}
        events = list[str]()
        found.append(collected(policy, asked, work, events, later=True, silent=silent, dials=dials))
    assert events[0] == ("asked" if optimiser == "crpg" else "spared")  # who reads nearly all asks the server
    told, silent = (each.lesson.weighted for each in found)
    assert len(told) == len(silent) > 0
    assert [each.weight for each in told] == pytest.approx([each.weight for each in silent], abs=1e-4)
    for one, two in zip(told, silent, strict=True):
        assert np.array_equal(one.sequence.ids, two.sequence.ids)
    assert abs(found[0].report.log_ratio) > 1e-3
    assert found[0].report.log_ratio == pytest.approx(found[1].report.log_ratio, abs=1e-4)
