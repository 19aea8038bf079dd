"""The first half of a round: draw, score, judge and choose what is learnt from."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

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
from training.policy.load import Policy
from training.rollout.generator import Generator, Sample
from training.rollout.store import Draw, Rollouts, RolloutStore
from training.text import Conversation


class Winner(NamedTuple):
    """A response to learn from, and R_cal, its weight within its task."""

    sequence: Encoded
    reward: float


class Bench(NamedTuple):
    """What stays the same over all rounds: the frozen reference, the judges, the store of rollouts and the settings."""

    reference: Generator
    frozen: Policy
    judges: Mapping[str, Judge]
    store: RolloutStore
    config: CgpoConfig


class _Scored(NamedTuple):
    """One task's candidates: K samples of the policy, then the reference's own.

    Attributes:
        samples: [prompts][K + n].
        rewards: [rewards, prompts, K + n], logits.
        violating: bool [judges, prompts, K + n].
    """

    conversations: list[Conversation]
    samples: list[list[Sample]]
    rewards: torch.Tensor
    violating: torch.Tensor


def collect(
    task: Task, rankers: Sequence[Task], conversations: list[Conversation], policy: Generator, number: int, bench: Bench
) -> tuple[list[Winner], TaskRound]:
    """Choose one response to learn from for each prompt of a task, where there is one.

    1. Draw K samples from the policy and n from the reference (the first of them is a0).
    2. Score both with every reward that ranks this task's prompts.
    3. Ask every judge about both; a response that ran into the token limit violates too.
    4. Choose by CRRAFT among the policy's samples.

    Args:
        rankers: The tasks whose rewards and weights rank these prompts.
        number: The round, from 0; seeds of chance follow from it.
    """
    config = bench.config
    scored = _score(rankers, _draw(task, conversations, policy, number, bench), conversations, bench)
    drawn = config.samples
    baselines = scored.rewards[:, :, drawn:].mean(dim=2)
    weights = torch.tensor([each.weight for each in rankers], dtype=torch.float64)
    scores = soft_and(scored.rewards, baselines, weights)
    broken = scored.violating.any(dim=0)
    prompts = encode_prompts(bench.frozen.tokenizer, conversations, config.longest - config.max_new_tokens)

    def ratio_of(rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        return _log_ratio(
            [
                (prompts[row], scored.samples[row][place])
                for row, place in zip(rows.tolist(), places.tolist(), strict=True)
            ],
            bench,
        )

    picked = select(scores[:, :drawn], broken[:, :drawn], ratio_of, config.kl_limit, ~broken[:, drawn])
    place = torch.where(picked.chosen == FALLBACK, drawn, picked.chosen)
    calibrated = (scores / weights.sum()).exp()
    winners = [
        Winner(join(prompts[row], scored.samples[row][column].token_ids), float(calibrated[row, column]))
        for row, column in enumerate(place.tolist())
        if column != SKIP
    ]
    return winners, _report(task, rankers, scored, picked, place, winners, bench)


def _draw(
    task: Task, conversations: list[Conversation], policy: Generator, number: int, bench: Bench
) -> tuple[Rollouts, Rollouts]:
    config = bench.config
    both = []
    for who, count, stream in ((policy, config.samples, 0), (bench.reference, config.reference_samples, 1)):
        seed = _seed(config.seed, number, task.name, stream)
        how = Draw(count, seed, config.temperature, config.max_new_tokens)
        said = f"round {number + 1}: {task.name}, {'samples' if stream == 0 else 'a0'}"
        both.append(
            bench.store.rollouts(
                who.version, conversations, how, lambda w=who, h=how, s=said: _sample(w, conversations, h, s)
            )
        )
    return both[0], both[1]


def _sample(who: Generator, conversations: list[Conversation], how: Draw, said: str) -> list[list[Sample]]:
    return who.sample(
        conversations,
        samples=how.samples,
        seed=how.seed,
        temperature=how.temperature,
        max_new_tokens=how.max_new_tokens,
        desc=said,
    )


def _seed(seed: int, number: int, task: str, stream: int) -> int:
    return int(np.random.SeedSequence([seed, number, zlib.crc32(task.encode()), stream]).generate_state(1)[0])


def _score(
    rankers: Sequence[Task], both: tuple[Rollouts, Rollouts], conversations: list[Conversation], bench: Bench
) -> _Scored:
    samples = [[*first, *second] for first, second in zip(both[0].samples, both[1].samples, strict=True)]
    rewards = [
        np.concatenate([_scores(each, rollouts, conversations, bench) for rollouts in both], axis=1) for each in rankers
    ]
    repeated = [conversation for conversation, several in zip(conversations, samples, strict=True) for _ in several]
    texts = [sample.text for several in samples for sample in several]
    verdicts = [[verdict.violates for verdict in judge_all(judge, repeated, texts)] for judge in bench.judges.values()]
    verdicts.append([not _finished(sample, bench.frozen) for several in samples for sample in several])
    shape = (len(verdicts), len(samples), -1)
    return _Scored(conversations, samples, torch.from_numpy(np.stack(rewards)), torch.tensor(verdicts).reshape(shape))


def _scores(task: Task, rollouts: Rollouts, conversations: list[Conversation], bench: Bench) -> np.ndarray:
    def score() -> np.ndarray:
        return score_samples(
            task.reward, conversations, [[each.text for each in several] for several in rollouts.samples]
        )

    return bench.store.scores(rollouts, task.reward_version, score) if task.reward_version else score()


def score_samples(reward: Reward, conversations: Sequence[Conversation], responses: list[list[str]]) -> np.ndarray:
    """Score several responses to each conversation, equal ones once. Float64 [prompts, K]."""
    places: dict[tuple[int, str], int] = {}
    index = [[places.setdefault((row, text), len(places)) for text in several] for row, several in enumerate(responses)]
    found = reward.logits([conversations[row] for row, _ in places], [text for _, text in places])
    scores: np.ndarray = np.asarray(found, dtype=np.float64)[np.asarray(index)]
    return scores


def _finished(sample: Sample, frozen: Policy) -> bool:
    return len(sample.token_ids) > 0 and int(sample.token_ids[-1]) in ends_of(frozen)


def ends_of(policy: Policy) -> set[int]:
    """The tokens that end a response."""
    configured = policy.model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured, policy.tokenizer.eos_token_id]
    return {each for each in several if each is not None}


def _log_ratio(asked: list[tuple[list[int], Sample]], bench: Bench) -> torch.Tensor:
    sequences = [join(prompt, sample.token_ids) for prompt, sample in asked]
    reference = mean_logprobs(bench.frozen.model, sequences, bench.frozen.tokenizer.pad_token_id)
    own = np.array([sample.logprobs.mean(dtype=np.float64) for _, sample in asked])
    return torch.from_numpy(own - reference)


def _report(
    task: Task,
    rankers: Sequence[Task],
    scored: _Scored,
    picked: Selection,
    place: torch.Tensor,
    winners: list[Winner],
    bench: Bench,
) -> TaskRound:
    drawn = bench.config.samples
    taught = (place != SKIP).nonzero()[:, 0]
    won = (picked.chosen >= 0).nonzero()[:, 0]
    ratio: Any = picked.log_ratio
    asked = ~ratio.isnan()
    trips = scored.violating[:, :, :drawn].double().mean(dim=(1, 2)).tolist()
    return TaskRound(
        task=task.name,
        prompts=len(place),
        trips=dict(zip((*bench.judges, "unfinished"), trips, strict=True)),
        kl_cut=float(picked.cut.sum() / max(1, int(asked.sum()))),
        fallback=int((picked.chosen == FALLBACK).sum()),
        skipped=int((picked.chosen == SKIP).sum()),
        sampled={each.name: float(scored.rewards[row, :, :drawn].mean()) for row, each in enumerate(rankers)},
        chosen={each.name: _mean(scored.rewards[row, taught, place[taught]]) for row, each in enumerate(rankers)},
        calibrated=_mean(torch.tensor([each.reward for each in winners])),
        log_ratio=_mean(ratio[won, picked.chosen[won]]),
    )


def _mean(values: torch.Tensor) -> float:
    return float(values.mean()) if len(values) else 0.0
