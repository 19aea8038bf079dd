"""The responses that a round chooses from: drawn from the policy, scored, beside a0 of the frozen reference."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from training.cgpo.config import CgpoConfig
from training.cgpo.judgement import Asked
from training.cgpo.tasks import Task, TaskReward
from training.judges.verdict import Judge
from training.policy.batches import WHOLE, EncodedAnswer, encode_prompts, join
from training.policy.load import Policy, ends_of
from training.rollout.generator import Draw, Generator, InPieces, Sample
from training.rollout.policy_source import Speaker
from training.rollout.store import Rollouts, RolloutStore
from training.sentinel.config import SentinelConfig
from training.text import Conversation

A0 = -1
"""The place of a0 among a prompt's responses: the last."""


@dataclass(frozen=True, slots=True)
class RoundContext:
    """What stays the same over all rounds.

    Attributes:
        reference: Draws from the frozen reference; `frozen` is its model.
        judges: What nothing that is made likelier may break, by name.
        store: Where rollouts and scores are kept.
        room: Tokens of a prompt, in drawing, scoring and training.
        speaker: Gives who draws from the policy as it is in a round.
        sentinel: Stops the run where samples come to do what is bounded; None never does.
    """

    reference: Generator
    frozen: Policy
    judges: Mapping[str, Judge]
    store: RolloutStore
    config: CgpoConfig
    room: int
    speaker: Speaker
    sentinel: SentinelConfig | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """One task's responses in one round.

    Attributes:
        conversations: The prompts.
        prompts: Their tokens.
        shortened: How many of them lost their oldest tokens.
        samples: [prompts][K], the policy's.
        a0: [prompts], the reference's first.
        rewards: Float64 [rewards, prompts, K + 1], logits; the last are a0's.
        baselines: Float64 [rewards, prompts], r(s, a0): the mean over the reference's draws.
        unfinished: Bool [prompts, K], ran into the token limit; `a0_unfinished`, [prompts], the same of a0.
    """

    conversations: Sequence[Conversation]
    prompts: list[list[int]]
    shortened: int
    samples: list[list[Sample]]
    a0: list[Sample]
    rewards: torch.Tensor
    baselines: torch.Tensor
    unfinished: torch.Tensor
    a0_unfinished: torch.Tensor

    def sample(self, row: int, column: int) -> Sample:
        """A prompt's response; at `A0` the reference's."""
        return self.a0[row] if column == A0 else self.samples[row][column]

    def sequence(self, row: int, column: int) -> EncodedAnswer:
        """The same with its prompt."""
        return join(self.prompts[row], self.sample(row, column).token_ids.tolist())

    def texts(self) -> list[tuple[int, str]]:
        """The policy's samples in order of prompt and place, each with its prompt's place."""
        return [(row, sample.text) for row, several in enumerate(self.samples) for sample in several]


def prompt_room(model: Any, config: CgpoConfig) -> int:
    """Tokens that a prompt may have beside its response, within the settings and the model's context.

    Raises:
        ValueError: A response fills the whole.
    """
    context = getattr(model.config, "max_position_embeddings", None) or config.longest
    room = min(config.longest, context) - config.max_new_tokens
    if room < 1:
        raise ValueError(
            f"max_new_tokens == {config.max_new_tokens} leaves no room for a prompt: longest == {config.longest}, the "
            f"model's context is {context}; lower max_new_tokens, or raise longest up to the context"
        )
    return room


def candidates(
    task: Task,
    rankers: Sequence[Task],
    places: range,
    *,
    policy: Generator,
    number: int,
    context: RoundContext,
    hear: Callable[[list[Asked]], object] = lambda _: None,
) -> Candidates:
    """Draw and score a round's responses.

    a0 is drawn once, for all prompts that the run takes, before anything is learnt, and found again in the store.
    Samples that a server hands over in pieces are scored and judged while it writes on.

    Args:
        task: Whose prompts these are.
        rankers: The tasks whose rewards rank them.
        places: Which of the task's prompts.
        policy: Who answers.
        number: The round, from 0; seeds of chance follow from it.
        context: What stays the same over all rounds.
        hear: Told of samples that came before the last ones were drawn.

    Raises:
        ValueError: A reward is not finite, or a judge that heard raised.
    """
    config = context.config.for_task(task.name)
    every = task.prompts[: config.rounds * config.prompts]
    conversations = [task.prompts[place] for place in places]
    prompts = encode_prompts(context.frozen.tokenizer, conversations, longest=WHOLE)
    how = Draw(config.samples, 0, config.temperature, config.max_new_tokens, context.room, logprobs=False)
    # CRPG reads nearly all of them, which costs the trainer more than a server; nobody reads the reference's own.
    told = config.optimiser == "crpg" and policy.version != context.reference.version
    said = f"round {number + 1}: {task.name}"
    scoring, once_scoring = _Scoring(rankers, policy, conversations), _Scoring(rankers, context.reference, every)

    def seen(start: int, drawn: list[list[Sample]]) -> None:
        scoring.seen(start, drawn)
        hear([(start + row, sample.text) for row, several in enumerate(drawn) for sample in several])

    own = context.store.rollouts(
        policy,
        conversations,
        replace(how, seed=_seed(config.seed, number, task.name), logprobs=told),
        desc=f"{said}, samples",
        seen=seen,
    )
    once = replace(how, samples=config.reference_samples, seed=_seed(config.seed, -1, task.name))
    reference = context.store.rollouts(
        context.reference, every, once, desc=f"{said}, a0 of all rounds", seen=once_scoring.seen
    )
    found = scoring.of(own, context.store)
    based = once_scoring.of(reference, context.store)[:, places.start : places.stop]
    a0 = [several[0] for several in reference.samples[places.start : places.stop]]
    ends = ends_of(context.frozen)
    return Candidates(
        conversations,
        [ids[-context.room :] for ids in prompts],
        sum(len(ids) > context.room for ids in prompts),
        own.samples,
        a0,
        torch.from_numpy(np.concatenate([found, based[:, :, :1]], axis=2)),
        torch.from_numpy(based).mean(dim=2),
        torch.tensor([[_runs_on(sample, ends) for sample in several] for several in own.samples]),
        torch.tensor([_runs_on(sample, ends) for sample in a0]),
    )


def score_samples(reward: TaskReward, conversations: Sequence[Conversation], responses: list[list[str]]) -> np.ndarray:
    """Score several responses to each conversation, equal ones once. Float64 [prompts, K].

    Raises:
        ValueError: The reward does not give one number for each pair.
    """
    places: dict[tuple[int, str], int] = {}
    index = [[places.setdefault((row, text), len(places)) for text in texts] for row, texts in enumerate(responses)]
    found = reward.logits([conversations[row] for row, _ in places], [text for _, text in places])
    try:
        logits = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        logits = np.full((), np.nan)
    if logits.shape != (len(places),):
        seen = f"{found!r:.60}" if logits.shape == () else f"numbers of shape {logits.shape}"
        raise ValueError(f"a reward gave {seen} for {len(places)} pairs, must give one logit for each")
    scores: np.ndarray = logits[np.asarray(index)]
    return scores


def _runs_on(sample: Sample, ends: set[int]) -> bool:
    return len(sample.token_ids) == 0 or int(sample.token_ids[-1]) not in ends


def _seed(seed: int, number: int, task: str) -> int:
    # The last number keeps a0 and samples apart, whatever the rounds: no round draws what a0 was drawn with.
    stream = [seed, number, zlib.crc32(task.encode()), 0] if number >= 0 else [seed, 0, zlib.crc32(task.encode()), 1]
    return int(np.random.SeedSequence(stream).generate_state(1)[0])


class _Scoring:
    """Scores a draw's samples by every reward, in the pieces in which the generator hands them over.

    The pieces are the same whether they are scored as they come or when all are there: so are the scores, to the bit.

    Args:
        rankers: Whose rewards.
        who: Draws.
        conversations: What is answered.
    """

    def __init__(self, rankers: Sequence[Task], who: Generator, conversations: Sequence[Conversation]) -> None:
        self._rankers = rankers
        self._conversations = conversations
        self._piece = who.piece if isinstance(who, InPieces) else max(1, len(conversations))
        self._early: dict[tuple[str, int], np.ndarray] = {}

    def seen(self, start: int, drawn: list[list[Sample]]) -> None:
        """Score a piece that has come.

        Raises:
            ValueError: A reward is not finite.
        """
        for task in self._rankers:
            self._early[task.name, start] = self._scored(task, start, drawn)

    def of(self, some: Rollouts, store: RolloutStore) -> np.ndarray:
        """The scores of the whole draw, read back or put together; float64 [rewards, prompts, K].

        Raises:
            ValueError: A reward is not finite.
        """
        return np.stack(
            [store.scores(some, task.reward_version, partial(self._whole, task, some)) for task in self._rankers]
        )

    def _whole(self, task: Task, some: Rollouts) -> np.ndarray:
        starts = range(0, len(some.samples), self._piece)
        return np.concatenate([self._at(task, start, some.samples[start : start + self._piece]) for start in starts])

    def _at(self, task: Task, start: int, drawn: list[list[Sample]]) -> np.ndarray:
        early = self._early.get((task.name, start))
        return self._scored(task, start, drawn) if early is None else early

    def _scored(self, task: Task, start: int, drawn: list[list[Sample]]) -> np.ndarray:
        texts = [[sample.text for sample in several] for several in drawn]
        try:
            found = score_samples(task.reward, self._conversations[start : start + len(drawn)], texts)
        except (OSError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise ValueError(
                f"the reward of task {task.name} failed ({type(error).__name__}: {error}) on {len(drawn)} prompts from "
                f"{start} on. Mend or retrain the reward model, then run the same command again; samples are kept"
            ) from error
        broken = np.argwhere(~np.isfinite(found))
        if len(broken):
            row, column = (int(each) for each in broken[0])
            raise ValueError(
                f"the reward of task {task.name} is {found[row, column]} for {len(broken)} of {found.size} responses, "
                f"must be finite; the first is {texts[row][column][:120]!r} to conversation {start + row}. Mend or "
                "retrain the reward model, then run the same command again; samples are kept"
            )
        return found
