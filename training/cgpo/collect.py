"""The first half of a round: draw, score, judge and choose what is learnt from."""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from training.cgpo.config import CgpoConfig
from training.cgpo.crraft import FALLBACK, SKIP, Selection, select
from training.cgpo.report import TaskRound
from training.cgpo.rewards import soft_and
from training.cgpo.tasks import Reward, Task
from training.judges.verdict import Judge, judge_all
from training.policy.batches import Encoded, encode_prompts, join
from training.policy.likelihood import mean_logprobs
from training.policy.load import Policy, ends_of
from training.rollout.generator import Generator, Sample
from training.rollout.store import Draw, Rollouts, RolloutStore
from training.text import Conversation


class Winner(NamedTuple):
    """A response to learn from, and R_cal, its weight within its task."""

    sequence: Encoded
    reward: float


class Bench(NamedTuple):
    """What stays the same over all rounds.

    Attributes:
        reference: Draws from the frozen reference; `frozen` is its model.
        judges: What no winner may break, by name.
        store: Where rollouts and scores are kept.
    """

    reference: Generator
    frozen: Policy
    judges: Mapping[str, Judge]
    store: RolloutStore
    config: CgpoConfig


class _Scored(NamedTuple):
    """One task's candidates: K samples of the policy, then n of the reference, the first of which is a0.

    Attributes:
        samples: [prompts][K + n].
        rewards: [rewards, prompts, K + n], logits.
        violating: bool [judges + 1, prompts, K + n]; the last says that a response ran into the token limit.
    """

    samples: list[list[Sample]]
    rewards: torch.Tensor
    violating: torch.Tensor


def collect(
    task: Task,
    rankers: Sequence[Task],
    conversations: Sequence[Conversation],
    *,
    policy: Generator,
    number: int,
    bench: Bench,
) -> tuple[list[Winner], TaskRound]:
    """Choose one response to learn from for each prompt of a task, where there is one.

    1. Draw K samples from the policy, n from the reference: the first of these is a0, their mean reward the baseline.
    2. Score them with every reward that ranks this task's prompts.
    3. Ask every judge about them; a response that ran into the token limit violates too.
    4. Choose by CRRAFT among the policy's samples.

    Args:
        task: Whose prompts these are.
        rankers: The tasks whose rewards and weights rank these prompts.
        conversations: The prompts.
        policy: Who answers.
        number: The round, from 0; seeds of chance follow from it.
        bench: What stays the same over all rounds.
    """
    drawn = bench.config.samples
    scored = _score(rankers, _draw(task, conversations, policy, number, bench), conversations, bench)
    weights = torch.tensor([each.weight for each in rankers], dtype=torch.float64)
    scores = soft_and(scored.rewards, scored.rewards[:, :, drawn:].mean(dim=2), weights)
    broken = scored.violating.any(dim=0)
    prompts = encode_prompts(bench.frozen.tokenizer, conversations, bench.config.longest - bench.config.max_new_tokens)

    def ratio_of(rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        asked = [(prompts[row], scored.samples[row][place]) for row, place in zip(rows, places, strict=True)]
        return _log_ratio(asked, bench.frozen)

    picked = select(scores[:, :drawn], broken[:, :drawn], ratio_of, bench.config.kl_limit, ~broken[:, drawn])
    columns = torch.where(picked.chosen == FALLBACK, drawn, picked.chosen)
    calibrated = (scores / weights.sum()).exp()
    winners = [
        Winner(join(prompts[row], scored.samples[row][column].token_ids.tolist()), float(calibrated[row, column]))
        for row, column in enumerate(columns.tolist())
        if column != SKIP
    ]
    names = [each.name for each in rankers]
    return winners, _report(task.name, names, scored, picked, calibrated, judges=[*bench.judges])


def score_samples(reward: Reward, conversations: Sequence[Conversation], responses: list[list[str]]) -> np.ndarray:
    """Score several responses to each conversation, equal ones once. Float64 [prompts, K]."""
    places: dict[tuple[int, str], int] = {}
    index = [[places.setdefault((row, text), len(places)) for text in texts] for row, texts in enumerate(responses)]
    found = reward.logits([conversations[row] for row, _ in places], [text for _, text in places])
    scores: np.ndarray = np.asarray(found, dtype=np.float64)[np.asarray(index)]
    return scores


def _draw(
    task: Task, conversations: Sequence[Conversation], policy: Generator, number: int, bench: Bench
) -> list[Rollouts]:
    config = bench.config
    both = []
    for stream, (who, count) in enumerate([(policy, config.samples), (bench.reference, config.reference_samples)]):
        how = Draw(count, _seed(config.seed, number, task.name, stream), config.temperature, config.max_new_tokens)
        said = f"round {number + 1}: {task.name}, {('samples', 'a0')[stream]}"
        both.append(bench.store.rollouts(who, conversations, how, desc=said))
    return both


def _seed(seed: int, number: int, task: str, stream: int) -> int:
    return int(np.random.SeedSequence([seed, number, zlib.crc32(task.encode()), stream]).generate_state(1)[0])


def _score(
    rankers: Sequence[Task], both: list[Rollouts], conversations: Sequence[Conversation], bench: Bench
) -> _Scored:
    samples = [[*first, *second] for first, second in zip(both[0].samples, both[1].samples, strict=True)]
    rewards = [np.hstack([_scores(each, some, conversations, bench.store) for some in both]) for each in rankers]
    flat = [sample for several in samples for sample in several]
    repeated = [conversation for conversation, several in zip(conversations, samples, strict=True) for _ in several]
    texts = [sample.text for sample in flat]
    broken = [[each.violates for each in judge_all(judge, repeated, texts)] for judge in bench.judges.values()]
    ends = ends_of(bench.frozen)
    broken.append([len(sample.token_ids) == 0 or int(sample.token_ids[-1]) not in ends for sample in flat])
    violating = torch.tensor(broken).reshape(len(broken), len(samples), -1)
    return _Scored(samples, torch.from_numpy(np.stack(rewards)), violating)


def _scores(task: Task, some: Rollouts, conversations: Sequence[Conversation], store: RolloutStore) -> np.ndarray:
    def score() -> np.ndarray:
        texts = [[sample.text for sample in several] for several in some.samples]
        return score_samples(task.reward, conversations, texts)

    return store.scores(some, task.reward_version, score) if task.reward_version else score()


def _log_ratio(asked: list[tuple[list[int], Sample]], frozen: Policy) -> torch.Tensor:
    sequences = [join(prompt, sample.token_ids.tolist()) for prompt, sample in asked]
    reference = mean_logprobs(frozen.model, sequences, frozen.tokenizer.pad_token_id)
    own = np.array([sample.logprobs.mean(dtype=np.float64) for _, sample in asked])
    return torch.from_numpy(own - reference)


def _report(
    name: str, rewards: list[str], scored: _Scored, picked: Selection, calibrated: torch.Tensor, *, judges: list[str]
) -> TaskRound:
    drawn = picked.log_ratio.shape[1]
    taught = (picked.chosen != SKIP).nonzero()[:, 0]
    columns = torch.where(picked.chosen == FALLBACK, drawn, picked.chosen)[taught]
    ratio = picked.log_ratio
    won = (picked.chosen >= 0).nonzero()[:, 0]
    trips = scored.violating[:, :, :drawn].double().mean(dim=(1, 2)).tolist()
    return TaskRound(
        task=name,
        prompts=len(picked.chosen),
        trips=dict(zip((*judges, "unfinished"), trips, strict=True)),
        kl_cut=float(picked.cut.sum() / max(1, int((~ratio.isnan()).sum()))),
        fallback=int((picked.chosen == FALLBACK).sum()),
        skipped=int((picked.chosen == SKIP).sum()),
        sampled={each: float(scored.rewards[row, :, :drawn].mean()) for row, each in enumerate(rewards)},
        chosen={each: _mean(scored.rewards[row, taught, columns]) for row, each in enumerate(rewards)},
        calibrated=_mean(calibrated[taught, columns]),
        log_ratio=_mean(ratio[won, picked.chosen[won]]),
    )


def _mean(values: torch.Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0
