"""A small policy from scratch: a Llama of half a million parameters, fitted to a log in about a minute on two threads.

It stands where no model can be downloaded, and plays the incumbent. All other code takes any causal language model.
Left out: sub-words, several epochs of a large corpus, mixed precision (slower at this width).
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional

from streams.record_fields import fields_of
from training import pretrained
from training.batches import bucketed
from training.engine.config import EngineConfig
from training.engine.engine import Engine
from training.engine.lanes import PARTS, accumulate
from training.engine.placement import place
from training.engine.start import start
from training.policy.batches import EncodedAnswer, encode_pairs, padded
from training.policy.tokenizer import ROLES, build_tokenizer
from training.progress import Follow, Trail, nobody
from training.text import Conversation, parse, parse_responses


class PretrainConfig(BaseModel):
    """Shape and fitting of the small policy; the number of heads and of steps follow."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    width: int = Field(default=128, multiple_of=32, ge=32)
    layers: int = Field(default=3, ge=1)
    vocabulary: int = Field(default=8192, ge=16)
    """Largest number of tokens, the special ones included."""
    longest: int = Field(default=192, ge=16)
    """Tokens of a conversation and its response; older ones are cut."""
    epochs: float = Field(default=1.0, gt=0)
    batch_tokens: int = Field(default=4096, ge=64)
    lr: float = Field(default=6e-3, gt=0)
    prompt_share: float = Field(default=0.2, ge=0, le=1)
    """Weight of a user's token in the loss beside one of the assistant's, whose earlier turns count in full."""


@dataclass(frozen=True, slots=True)
class PretrainReport:
    """What was fitted.

    Attributes:
        parameters: Trainable numbers.
        vocabulary: Tokens, the special ones included.
        tokens: Tokens seen in training.
        loss: Mean negative log-likelihood of an assistant's token over the last tenth of training, in nats.
        seconds: Wall clock.
    """

    parameters: int
    vocabulary: int
    tokens: int
    loss: float
    seconds: float


def pretrain_policy(
    examples: pa.Table,
    out: Path,
    *,
    config: PretrainConfig | None = None,
    seed: int = 0,
    follow: Follow = nobody,
) -> PretrainReport:
    """Fit a small Llama to logged (conversation, response) pairs and save it with `save_pretrained`.

    Args:
        examples: Columns conversation (JSON string, or a list of messages) and response.
        out: Where the model, its tokenizer and `pretrain.json` go.
        config: Its shape and fitting.
        seed: Of the initial weights and the order of the examples.
        follow: Told each step with its loss.

    Raises:
        ValueError: There is no example.
    """
    config = config or PretrainConfig()
    started = time.perf_counter()
    conversations, responses = read_pairs(examples)
    if not responses:
        raise ValueError("no example to fit a policy to; give a table with at least one (conversation, response) row")
    texts = [message["content"] for each in conversations for message in each] + responses
    tokenizer = build_tokenizer(texts, config.vocabulary)
    model = _small_llama(config, tokenizer, seed)
    pairs = encode_pairs(tokenizer, conversations, responses, config.longest)
    tokens, loss = _fit(model, pairs, tokenizer, config, seed=seed, follow=follow)
    pretrained.save(out, model.eval(), tokenizer)
    report = PretrainReport(model.num_parameters(), len(tokenizer), tokens, loss, time.perf_counter() - started)
    (out / "pretrain.json").write_text(
        json.dumps({**fields_of(report), "config": config.model_dump(), "seed": seed}, indent=1)
    )
    return report


def read_pairs(examples: pa.Table) -> tuple[list[Conversation], list[str]]:
    """The conversations and responses of a table, whose conversations may be JSON strings.

    Raises:
        ValueError: A column is missing, or a row holds no conversation or no text.
    """
    missing = {"conversation", "response"} - set(examples.column_names)
    if missing:
        raise ValueError(f"the examples lack {', '.join(sorted(missing))}; their columns are {examples.column_names}")
    conversations: list[Conversation] = [*parse(examples["conversation"].to_pylist())]
    return conversations, parse_responses(examples["response"].to_pylist())


def _small_llama(config: PretrainConfig, tokenizer: Any, seed: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.width,
        intermediate_size=config.width * 8 // 3 // 16 * 16,
        num_hidden_layers=config.layers,
        num_attention_heads=config.width // 32,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        initializer_range=config.width**-0.5 / 2,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(shape)


def _fit(
    model: Any, pairs: Sequence[EncodedAnswer], tokenizer: Any, config: PretrainConfig, *, seed: int, follow: Follow
) -> tuple[int, float]:
    lengths = np.array([len(each.ids) for each in pairs])
    batches = _order(lengths, config, seed)
    engine = EngineConfig()
    runner = start(place(model, engine), engine, weight_decay=0.05, fused=True)
    runner.begin(len(batches), config.lr)
    losses = []
    with Trail(len(batches), done=0, title="incumbent: training", rank=runner.rank, follow=follow) as trail:
        for batch in batches:
            ids = padded([pairs[index] for index in batch], tokenizer.pad_token_id)[0].to(runner.device)
            losses.append(_step(runner, ids, tokenizer, config.prompt_share))
            trail.ahead(losses[-1])
    last = losses[-max(1, len(losses) // 10) :]
    return int(sum(lengths[batch].sum() for batch in batches)), float(np.mean(last))


def _order(lengths: np.ndarray, config: PretrainConfig, seed: int) -> list[np.ndarray]:
    whole, part = int(config.epochs), config.epochs % 1
    batches = [batch for epoch in range(whole) for batch in bucketed(lengths, config.batch_tokens, seed + epoch)]
    rest = list(bucketed(lengths, config.batch_tokens, seed + whole))
    return (batches + rest[: int(len(rest) * part)]) or rest[:1]


def _step(runner: Engine, ids: torch.Tensor, tokenizer: Any, prompt_share: float) -> float:
    """One step on a batch, [rows, length]; the mean loss of an assistant's token in it, in nats."""
    target, spoken = ids[:, 1:], assistant_speaks(ids, tokenizer)[:, 1:]
    weight = torch.where(spoken, 1.0, prompt_share) * (target != tokenizer.pad_token_id)
    total = weight.sum()

    def work(rows: torch.Tensor) -> tuple[torch.Tensor, float]:
        each, wanted = _losses(runner.model, ids[rows], weight[rows] > 0)
        loss = (each * weight[rows][wanted]).sum() / total
        return loss, float(each.detach()[spoken[rows][wanted]].sum())

    shown = accumulate(runner, work, torch.arange(len(ids)).chunk(PARTS))
    runner.step()
    return sum(shown) / max(1, int(spoken.sum()))


def _losses(model: Any, ids: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log-likelihoods of the wanted tokens, [tokens], and which they are, bool [rows, length - 1]."""
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    return functional.cross_entropy(model.lm_head(hidden[wanted]), ids[:, 1:][wanted], reduction="none"), wanted


def assistant_speaks(ids: torch.Tensor, tokenizer: Any) -> torch.Tensor:
    """Which tokens the assistant wrote, each turn's end token included: bool, as `ids` [batch, length]."""
    roles = torch.tensor([tokenizer.convert_tokens_to_ids(role) for role in ROLES.values()], device=ids.device)
    opens = torch.isin(ids, roles)
    column = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    speaker = ids.gather(1, torch.where(opens, column, 0).cummax(dim=1).values)
    mine = speaker == tokenizer.convert_tokens_to_ids(ROLES["assistant"])
    spoken: torch.Tensor = mine & ~opens & (ids != tokenizer.pad_token_id)
    return spoken
