"""Does the server hold the trainer's weights? Samples whose log-probabilities the trainer does not confirm are stale.

A server can serve old weights under a new name, or diverge from the trainer by a wrong dtype, a wrong adapter scale or
a bug of a kernel: rewards still look right, and training goes wrong in silence. So every round a few answers are drawn
from the server, and the trainer reads the same tokens. The mean difference is no measure (a stale adapter showed -.003
where single tokens differed by .5): the largest and the mean *absolute* one are.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from training.policy.batches import encode_prompts, join
from training.policy.likelihood import each_logprobs
from training.policy.load import Policy
from training.rollout.generator import Sample
from training.rollout.vllm import VllmGenerator
from training.text import Conversation

SECONDS = 60.0
"""A probe that takes longer is an error, too."""
SAMPLES, NEW_TOKENS, LONGEST = 4, 32, 512
PROBE: tuple[Conversation, ...] = tuple(
    [{"role": "user", "content": text}]
    for text in (
        "Hello! How are you today?",
        "What can I cook with rice and eggs?",
        "I feel a bit down this evening.",
        "Tell me something about the sea.",
        "Thank you, that was all I needed.",
        "Why is the sky blue?",
        "Can you help me to write a letter to my landlord?",
        "Let us play a game.",
    )
)
"""Prompts of no task."""


class PolicyMismatchError(ValueError):
    """The server's log-probabilities are not the trainer's: it serves other weights, or computes otherwise."""


class Tolerance(NamedTuple):
    """How far a token's log-probability may be from the trainer's, in nats: on average (absolute), and at most."""

    mean: float
    largest: float


TOLERANCES = {
    torch.float32: Tolerance(1e-3, 1e-3),
    torch.bfloat16: Tolerance(0.03, 0.5),
    torch.float16: Tolerance(0.01, 0.2),
}
"""By the trainer's dtype. In float32 9e-6 was the largest seen; half precision rounds a logit by about 1 %."""


@dataclass(frozen=True, slots=True)
class LogprobAgreement:
    """What a probe found.

    Attributes:
        version: Which weights were asked for.
        tokens: How many were compared.
        mean: Mean absolute difference, in nats a token.
        largest: The largest.
        seconds: Wall clock.
    """

    version: str
    tokens: int
    mean: float
    largest: float
    seconds: float


def watch(
    server: VllmGenerator,
    trainer: Policy,
    *,
    round_seed: int = 0,
    probe: Sequence[Conversation] = PROBE,
    trained: str | None = None,
    seconds: float = SECONDS,
) -> LogprobAgreement:
    """Draw answers to a probe from the server and let the trainer read them.

    Args:
        server: The server to check.
        trainer: The weights that it should have.
        round_seed: Of the draws.
        probe: The prompts.
        trained: The trainer's name for its weights; without it, the server's.
        seconds: A limit for the server's answers.

    Raises:
        PolicyMismatchError: A difference is above the line of the trainer's dtype, or not a number.
        TimeoutError: The server did not answer in time.
    """
    started = time.perf_counter()
    try:
        drawn = server.sample(
            probe,
            samples=SAMPLES,
            seed=round_seed,
            max_new_tokens=NEW_TOKENS,
            longest=LONGEST,
            logprobs=True,
            seconds=seconds,
            desc="watchdog",
        )
    except TimeoutError:
        raise TimeoutError(
            f"the server of {server.version} did not answer the watchdog's {len(probe) * SAMPLES} samples within "
            f"{seconds:g} s; look at its log, or at what else it is asked"
        ) from None
    prompts = encode_prompts(trainer.tokenizer, probe, LONGEST)
    pairs = [(prompt, each) for prompt, several in zip(prompts, drawn, strict=True) for each in several]
    told = np.concatenate([each.logprobs for _, each in pairs if each.logprobs is not None])
    differences = np.abs(told - read(trainer, pairs))
    found = LogprobAgreement(
        server.version,
        len(differences),
        float(differences.mean()),
        float(differences.max()),
        time.perf_counter() - started,
    )
    _judge(found, TOLERANCES.get(trainer.model.dtype, TOLERANCES[torch.float32]), trained or server.version, trainer)
    return found


def read(trainer: Policy, pairs: Sequence[tuple[list[int], Sample]]) -> np.ndarray:
    """The trainer's own log-probability of every token of some samples, after one another. Float32 [tokens]."""
    return np.concatenate(each_logprobs(trainer, [join(prompt, each.token_ids.tolist()) for prompt, each in pairs]))


def _judge(found: LogprobAgreement, line: Tolerance, trained: str, trainer: Policy) -> None:
    if found.mean <= line.mean and found.largest <= line.largest:  # not a number is above any line
        return
    raise PolicyMismatchError(
        f"the server's {found.version} is not the trainer's {trained}: over {found.tokens} tokens the "
        f"log-probabilities differ by {found.mean:.2g} nats on average and {found.largest:.2g} at most, where "
        f"{line.mean:g} and {line.largest:g} are allowed in {trainer.model.dtype}. The server holds other (older) "
        "weights, or computes otherwise (dtype, quantisation, adapter scale). Nothing was learnt from its samples: "
        "restart the server from the weights of this round and run again; finished rounds are kept"
    )
