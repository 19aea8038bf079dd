"""A response as it comes into being: the product's own decoder, one token at a time, as pieces of text.

The same seed gives the same response as `TransformersGenerator.sample` draws for one conversation.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from training.policy.batches import encode_prompts
from training.policy.load import Policy, ends_of, load_policy
from training.rollout.cache import make_room
from training.rollout.decode import choose
from training.rollout.step import step_of
from training.text import Conversation

_HALF = "\ufffd"
"""What a decoder writes for the first bytes of a character whose last ones are in the next token."""
_CONTEXT = 2_048
"""Tokens of a model that does not say how many it takes."""


class SpokenPiece(NamedTuple):
    """A piece of a response.

    Attributes:
        text: What follows the pieces before.
        tokens: How many tokens the response has so far.
        finish: None until the last piece: then whether the model ended it, or the limit did.
    """

    text: str
    tokens: int
    finish: Literal["stop", "length"] | None = None


class PolicyVoice:
    """A policy that speaks piece by piece.

    Args:
        place: A directory written by `save_pretrained` (model or adapter), or a hub name.

    Raises:
        FileNotFoundError: There is no model at `place`.
        ValueError: Its tokenizer has no chat template, or no end token.
    """

    def __init__(self, place: str | Path) -> None:
        self._policy: Policy = load_policy(place)
        self._ends = ends_of(self._policy)
        self.context = int(getattr(self._policy.model.config, "max_position_embeddings", None) or _CONTEXT)

    def prompt(self, conversation: Conversation, max_new_tokens: int) -> list[int]:
        """A conversation as tokens; the oldest are cut where the response would have no room.

        Raises:
            ValueError: The chat template refuses it, or the response takes all of the model's context.
        """
        room = self.context - max_new_tokens
        if room < 1:
            raise ValueError(
                f"max_tokens == {max_new_tokens}, must be below the {self.context} tokens that the model takes"
            )
        return encode_prompts(self._policy.tokenizer, [conversation], room)[0]

    def speak(
        self, prompt: Sequence[int], *, seed: int, temperature: float, max_new_tokens: int
    ) -> Iterator[SpokenPiece]:
        """Draw a response; its pieces joined are its text.

        Args:
            prompt: Of `prompt`.
            seed: Of all chance.
            temperature: Divides the logits; 0 takes the most likely token.
            max_new_tokens: Tokens of the longest response.
        """
        uniforms = np.random.default_rng(seed).random((1, 1, max_new_tokens))[0, 0]
        ids: list[int] = []
        said = ""
        for token in _tokens(self._policy.model, prompt, uniforms, ends=self._ends, temperature=temperature):
            ids.append(token)
            text = self._text(ids)
            ready = text.rstrip().removesuffix(_HALF)  # what may still change waits, as spaces at the end do
            if ready.startswith(said) and len(ready) > len(said):
                yield SpokenPiece(ready[len(said) :], len(ids))
                said = ready
        whole = self._text(ids).strip()
        finish: Literal["stop", "length"] = "stop" if ids and ids[-1] in self._ends else "length"
        yield SpokenPiece(whole[len(said) :] if whole.startswith(said) else "", len(ids), finish)

    def _text(self, ids: list[int]) -> str:
        text: str = self._policy.tokenizer.decode(ids, skip_special_tokens=True)
        return text.lstrip()


@torch.inference_mode()
def _tokens(
    model: Any, prompt: Sequence[int], uniforms: np.ndarray, *, ends: Collection[int], temperature: float
) -> Iterator[int]:
    """The tokens of one response; `uniforms`, float64 [steps] in [0, 1), is its chance."""
    ids = torch.tensor([list(prompt)], device=model.device)
    mask = torch.ones_like(ids)
    chance = torch.from_numpy(uniforms).to(model.device)
    out = model(
        input_ids=ids, attention_mask=mask, position_ids=mask.cumsum(dim=1) - 1, use_cache=True, logits_to_keep=1
    )
    make_room(out.past_key_values, 1, len(uniforms))
    step, logits, position = step_of(model), out.logits[:, -1], mask.sum(dim=1)
    for place in range(len(uniforms)):
        token, _ = choose(logits, chance[place : place + 1], temperature)
        yield int(token)
        if int(token) in ends or place + 1 == len(uniforms):
            return
        mask = torch.cat([mask, mask.new_ones(1, 1)], dim=1)
        logits = step(token, position, mask, out.past_key_values)
        position = position + 1
