"""Who answers: a generator draws samples from one policy version, and every sample says which version wrote it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Required, TypedDict, Unpack, runtime_checkable

import numpy as np
from tqdm import tqdm

from training.engine.lanes import side_by_side
from training.policy.batches import encode_prompts
from training.policy.load import Policy, ends_of, fingerprint, load_policy
from training.rollout.decode import Drawn, draw
from training.text import Conversation


class Sample(NamedTuple):
    """One response of a policy.

    Attributes:
        text: What a user would read.
        token_ids: int32 [length], the end token included when the policy wrote it.
        logprobs: float32 [length], log-probability of each token under the policy that wrote it, at temperature 1; None
            where they were not asked for.
        policy_version: Which weights wrote it.
    """

    text: str
    token_ids: np.ndarray
    logprobs: np.ndarray | None
    policy_version: str


@dataclass(frozen=True, slots=True)
class Draw:
    """How responses are drawn.

    Attributes:
        samples: K, responses a prompt; in this process they share one reading of it.
        seed: Of all chance: the same seed draws the same.
        temperature: Divides the logits; 0 takes the most likely token. Log-probabilities are always those at 1.
        max_new_tokens: Tokens of the longest response.
        longest: Tokens of a prompt that are read; older ones are cut.
        logprobs: Whether samples must carry their log-probabilities; without, a generator to which they cost something
            leaves them out.
    """

    samples: int
    seed: int
    temperature: float = 1.0
    max_new_tokens: int = 48
    longest: int = 512
    logprobs: bool = True


class Drawing(TypedDict, total=False):
    """The same as words of a call, with `Draw`'s defaults."""

    samples: Required[int]
    seed: Required[int]
    temperature: float
    max_new_tokens: int
    longest: int
    logprobs: bool


class Generator(Protocol):
    """Draws responses from one policy version.

    Attributes:
        engine: What draws: two engines given one seed draw other samples of the same policy.
        version: Which weights answer.
    """

    engine: str
    version: str

    def sample(
        self, conversations: Sequence[Conversation], *, desc: str = "sample", **how: Unpack[Drawing]
    ) -> list[list[Sample]]:
        """Draw responses to each conversation; `desc` labels the progress."""
        ...


@runtime_checkable
class InPieces(Protocol):
    """A generator that writes on while what it has written already is looked at.

    Attributes:
        piece: Conversations that are handed over together.
    """

    piece: int

    def pieces(
        self, conversations: Sequence[Conversation], *, desc: str = "sample", **how: Unpack[Drawing]
    ) -> Iterator[list[list[Sample]]]:
        """What `sample` draws, `piece` conversations at a time, in their order."""
        ...


class TransformersGenerator:
    """Samples from a causal language model in this process.

    Args:
        place: A directory written by `save_pretrained` (model or adapter), or a hub name.
        version: The name that samples carry; without it, the directory's name and its weights' fingerprint.

    Raises:
        FileNotFoundError: There is no model at `place`.
    """

    engine = "transformers"

    def __init__(self, place: str | Path, version: str | None = None) -> None:
        self._policy = load_policy(place)
        self.version = version or version_of(place)

    @classmethod
    def of_policy(cls, policy: Policy, version: str) -> "TransformersGenerator":
        """Sample from a model that is already in memory."""
        made = cls.__new__(cls)
        made._policy = Policy(policy.model.eval(), policy.tokenizer)
        made.version = version
        return made

    def sample(
        self,
        conversations: Sequence[Conversation],
        *,
        rows: int = 192,
        desc: str = "sample",
        **how: Unpack[Drawing],
    ) -> list[list[Sample]]:
        """Draw responses to each conversation.

        Chance belongs to (seed, place of the conversation, sample, step): a response does not depend on `rows`, and two
        policies given one seed answer with common chance. Log-probabilities cost nothing here: all samples carry them.

        Args:
            conversations: Each ends with the user's last message.
            rows: Responses written at a time.
            desc: What the progress bar says.
            how: See `Draw`.
        """
        asked = Draw(**how)
        samples = asked.samples
        prompts = encode_prompts(self._policy.tokenizer, conversations, asked.longest)
        uniforms = np.random.default_rng(asked.seed).random((len(prompts), samples, asked.max_new_tokens))
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        size = max(1, rows // samples)
        blocks = [order[start : start + size] for start in range(0, len(order), size)][::-1]  # the longest first
        found: list[list[Sample]] = [[] for _ in prompts]
        with tqdm(total=len(prompts) * samples, desc=desc, unit="response", disable=None, leave=False) as bar:

            def work(block: list[int]) -> Drawn:
                drawn = self._draw([prompts[index] for index in block], uniforms[block], asked.temperature)
                bar.update(len(block) * samples)
                return drawn

            every = side_by_side(work, blocks, self._policy.model.device)
        for block, drawn in zip(blocks, every, strict=True):
            for place, several in zip(block, self._samples(drawn, samples), strict=True):
                found[place] = several
        return found

    def _draw(self, prompts: list[list[int]], uniforms: np.ndarray, temperature: float) -> Drawn:
        model, tokenizer = self._policy
        ends = sorted(ends_of(self._policy))
        return draw(model, prompts, uniforms, ends=ends, pad=tokenizer.pad_token_id, temperature=temperature)

    def _samples(self, drawn: Drawn, samples: int) -> list[list[Sample]]:
        rows = [ids[:length] for ids, length in zip(drawn.ids.astype(np.int32), drawn.lengths, strict=True)]
        texts = self._policy.tokenizer.batch_decode(rows, skip_special_tokens=True)
        each = [
            Sample(text.strip(), ids, logprobs[: len(ids)], self.version)
            for text, ids, logprobs in zip(texts, rows, drawn.logprobs, strict=True)
        ]
        return [each[start : start + samples] for start in range(0, len(each), samples)]


def version_of(place: str | Path) -> str:
    """A policy's name by which stale weights cannot hide: its directory's name and its weights' fingerprint."""
    return f"{Path(place).name}@{fingerprint(place)}"
