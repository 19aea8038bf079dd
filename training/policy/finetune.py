"""Supervised fine-tuning: a policy learns to answer as given conversations were answered, on one rank or many.

The loss is the mean negative log-likelihood of a response's tokens; prompts are read, not learnt. It starts a policy
in a product's own voice before feedback moves it, and is the plainest user of the engine.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from training import pretrained, template
from training.disk import read_report
from training.engine.config import EngineConfig
from training.engine.engine import Engine, dealt
from training.engine.finite_check import finite_weights
from training.engine.memory import MemoryPlan, ModelSize, advised, planned, room_of
from training.engine.placement import place
from training.engine.schedule import policy_rate
from training.engine.start import start
from training.engine.steps import silent
from training.policy.batches import EncodedAnswer, cut_words, encode_pairs, padded
from training.policy.likelihood import token_logprobs
from training.policy.load import ADAPTER, Policy, fingerprint, name_base, read_policy
from training.policy.pretrain import read_pairs
from training.progress import Follow, Trail, nobody


class FinetuneConfig(BaseModel):
    """The dials of supervised fine-tuning."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(1, ge=1)
    batch: int = Field(64, ge=1)
    """Conversations of one step, on all ranks together."""
    longest: int = Field(1024, ge=16)
    """Tokens of a conversation and its response; older ones are cut."""
    lr: float | None = Field(None, gt=0)
    """None: 5e-4 at width 128, inversely proportional to the width, ten times that for LoRA."""
    weight_decay: float = Field(0.0, ge=0)
    keep_every: int = Field(100, ge=1)
    """Steps between two states that a killed run goes on from."""
    seed: int = Field(1, ge=0, lt=2**32)


class FinetuneReport(BaseModel):
    """What was fitted; `finetune.json` beside the weights."""

    key: str
    """Of base, data and settings: the same call with the same key is done already."""
    reference: str = ""
    """The version of the base; reports of earlier versions do not name it."""
    rows: int
    steps: int
    tokens: int
    """Of responses, all epochs together."""
    loss_first: float
    """Mean of the first tenth of the steps, in nats a token."""
    loss: float
    """Mean of the last tenth."""
    seconds: float
    """Of this process; an interrupted run's are not counted."""
    cut: str = ""
    """How many conversations did not fit into `longest` tokens, in words."""
    retold: int = 0
    """Conversations that the chat template refused as they came, and was given in another form."""
    config: FinetuneConfig
    engine: EngineConfig


def finetune(
    examples: pa.Table,
    base: str | Path,
    out: Path,
    *,
    config: FinetuneConfig | None = None,
    engine: EngineConfig | None = None,
    tell: Callable[[str], None] = silent,
    follow: Follow = nobody,
) -> FinetuneReport:
    """Fine-tune a policy on conversations and save it with its tokenizer (LoRA: the adapter).

    1. A finished `out` of the same base, data and settings is returned as it is.
    2. The memory plan is told; weights go where `place` puts them; a kept state of the same key is taken up.
    3. Each step's conversations are dealt to the ranks, whose gradients add up; every `keep_every` steps the state is
       kept in `NAME.work`.
    4. Rank 0 writes the whole weights beside `out` and renames them into place.

    Under torchrun every rank calls this with the same arguments.

    Args:
        examples: Columns conversation (JSON, or a list of messages) and response.
        base: The policy to start from.
        out: Where the new one appears when all is done.
        config: The dials.
        engine: Which engine, ranks, precision.
        tell: Takes each line for the user, on every rank.
        follow: Told the loss of every step.

    Raises:
        ValueError: No example, a row that cannot be read, a tokenizer without a chat template or with one that refuses
            conversations, or a loss or weight that is not finite.
        FileNotFoundError: No model at `base`.
        MemoryShortError: With what to lower.
        OSError: A state or the weights could not be written.
    """
    config, engine = config or FinetuneConfig(), engine or EngineConfig()
    conversations, responses = read_pairs(examples)
    if not responses:
        raise ValueError("no example to fine-tune on: the table is empty")
    key = _key(base, conversations, responses, config, engine)
    done = _finished(out, key)
    if done is not None:
        tell(f"{out} is done already with these data and settings")
        return done
    began, work = time.perf_counter(), out.with_name(f"{out.name}.work")
    policy = read_policy(base)
    retold = template.changed(policy.tokenizer, conversations)
    plan = _plan(policy.model, engine, tell)
    with advised(plan, engine):
        model = place(policy.model, engine, seed=config.seed)
        runner = start(model, engine, weight_decay=config.weight_decay)
        pairs = encode_pairs(policy.tokenizer, conversations, responses, config.longest)
        cut = cut_words(pairs, config.longest)
        for line in filter(None, (template.words(retold, len(pairs)), cut)):
            tell(line)
        losses = _run(
            runner,
            pairs,
            Policy(model, policy.tokenizer),
            config=config,
            engine=engine,
            state=work / key,
            tell=tell,
            follow=follow,
        )
    tenth = max(1, len(losses) // 10)
    report = FinetuneReport(
        key=key,
        reference=f"{Path(base).name}@{fingerprint(base)}",
        rows=len(pairs),
        steps=len(losses),
        tokens=config.epochs * _response_tokens(pairs),
        loss_first=float(np.mean(losses[:tenth])),
        loss=float(np.mean(losses[-tenth:])),
        seconds=time.perf_counter() - began,
        cut=cut,
        retold=retold,
        config=config,
        engine=engine,
    )
    with runner.whole() as whole:
        if runner.rank == 0:
            finite_weights(whole, f"the policy {out.name}")
            _publish(Policy(whole, policy.tokenizer), report, base, work, out)
    return report


def _run(
    runner: Engine,
    pairs: Sequence[EncodedAnswer],
    policy: Policy,
    *,
    config: FinetuneConfig,
    engine: EngineConfig,
    state: Path,
    tell: Callable[[str], None],
    follow: Follow,
) -> list[float]:
    each = -(-len(pairs) // config.batch)
    total = each * config.epochs
    runner.begin(total, config.lr or policy_rate(policy.model.config.hidden_size, engine.tuning))
    kept = runner.load(state)
    losses: list[float] = kept["losses"] if kept else []
    if kept:
        tell(f"going on after step {len(losses)} of {total}, kept in {state.parent}")
    pad = policy.tokenizer.pad_token_id
    title = f"fine-tune {policy.model.config.model_type}"
    with Trail(total, done=len(losses), title=title, rank=runner.rank, follow=follow) as steps:
        runner.model.train()
        for number in range(len(losses), total):
            batch = _batch(pairs, number // each, number % each, config)
            losses.append(_step(runner, batch, pad, engine.tokens))
            steps.ahead(losses[-1])
            if (number + 1) % config.keep_every == 0 and number + 1 < total:
                runner.save(state, {"losses": losses})
    return losses


def _batch(pairs: Sequence[EncodedAnswer], epoch: int, step: int, config: FinetuneConfig) -> list[EncodedAnswer]:
    order = np.random.default_rng([config.seed, epoch]).permutation(len(pairs))
    return [pairs[index] for index in order[step * config.batch : (step + 1) * config.batch]]


def _step(runner: Engine, batch: Sequence[EncodedAnswer], pad: int, tokens: int) -> float:
    """One step: the loss in nats a token of the whole batch, whatever ranks and passes it is cut into."""
    share = _response_tokens(batch)
    mine = dealt(parts_of(batch, tokens=tokens, ranks=runner.ranks), runner)
    seen = 0.0
    for place_, (part, factor) in enumerate(mine):
        ids, response = (each.to(runner.device) for each in padded(part, pad))
        loss = -token_logprobs(runner.model, ids, response).sum() / share * factor
        runner.backward(loss, last=place_ == len(mine) - 1)
        seen += float(loss.detach())
    runner.step()
    return runner.total(seen)


def parts_of(batch: Sequence[EncodedAnswer], *, tokens: int, ranks: int) -> list[list[EncodedAnswer]]:
    """A batch in parts of similar length, each of at most `tokens` padded tokens, and at least one for each rank.

    >>> long, short = EncodedAnswer(np.zeros(8, dtype=np.int64), 4), EncodedAnswer(np.zeros(2, dtype=np.int64), 1)
    >>> [len(part) for part in parts_of([short, long, short, short], tokens=8, ranks=1)]
    [3, 1]
    """
    most = -(-len(batch) // ranks)
    parts: list[list[EncodedAnswer]] = []
    for each in sorted(batch, key=lambda one: len(one.ids)):
        if parts and len(parts[-1]) < most and (len(parts[-1]) + 1) * len(each.ids) <= tokens:
            parts[-1].append(each)
        else:
            parts.append([each])
    return parts


def _response_tokens(pairs: Sequence[EncodedAnswer]) -> int:
    return sum(len(each.ids) - each.prompt for each in pairs)


def _plan(model: Any, engine: EngineConfig, tell: Callable[[str], None]) -> MemoryPlan:
    from training.engine.placement import device_of

    size = ModelSize.of(model)
    plan = planned(size.with_adapter(engine.lora_rank) if engine.tuning == "lora" else size, engine)
    for line in plan.lines(engine, room_of(device_of(engine.device), engine.ranks)):
        tell(line)
    return plan


def _key(
    base: str | Path,
    conversations: Sequence[Any],
    responses: Sequence[str],
    config: FinetuneConfig,
    engine: EngineConfig,
) -> str:
    content = [fingerprint(base), list(conversations), list(responses), config.model_dump(), engine.model_dump()]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:20]


def _finished(out: Path, key: str) -> FinetuneReport | None:
    report = read_report(out / "finetune.json", FinetuneReport)
    return report if report is not None and report.key == key else None


def _publish(policy: Policy, report: FinetuneReport, base: str | Path, work: Path, out: Path) -> None:
    fresh = work / "policy"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    pretrained.save(fresh, policy.model, policy.tokenizer)
    if (fresh / ADAPTER).exists():
        name_base(fresh, base, seen_from=out)
    (fresh / "finetune.json").write_text(report.model_dump_json(indent=1))
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)
    shutil.rmtree(work)
