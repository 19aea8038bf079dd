from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from training.cgpo.config import CgpoConfig
from training.cgpo.epoch import learn, parts_of
from training.cgpo.lesson import Lesson, Pair, Weighted
from training.engine.engine import OneProcess
from training.policy.batches import EncodedAnswer, encode_pairs
from training.policy.load import load_policy
from training.policy.pretrain import read_pairs


class Noting(OneProcess):
    """Keeps the gradient of its last step, before it is clipped."""

    def step(self) -> None:
        self.gradient = [each.grad.clone() for each in self.model.parameters()]
        super().step()


def slowly(model: Any, sequence: EncodedAnswer) -> torch.Tensor:
    """log pi of one response, token by token, in float64."""
    ids = torch.from_numpy(sequence.ids)
    logits = model(input_ids=ids[None]).logits[0].double()
    return sum(logits[at - 1].log_softmax(0)[ids[at]] for at in range(sequence.prompt, len(ids)))


def test_a_steps_gradient_is_that_of_the_written_loss(policy: Path, log: pa.Table) -> None:
    opened = load_policy(policy)
    sequences = encode_pairs(opened.tokenizer, *read_pairs(log.slice(0, 30)), 64)
    rows = [Weighted(each, 0.9 - 0.1 * place) for place, each in enumerate(sequences[:18])]
    rows[9] = rows[9]._replace(weight=0.0)
    pairs = [Pair(sequences[18], sequences[19], -9.0, -7.0, 1.3, 0.5, 0.2), Pair(*sequences[20:22], -8.0, -8.5)]
    engine, texts = Noting(opened.model), sequences[22:]
    config = CgpoConfig(batch=20, supervised=0.25)
    slow = load_policy(policy).model
    learnt = learn(
        engine, Lesson(rows, pairs), texts, pad=opened.tokenizer.pad_token_id, config=config, rate=1e-3, seed=3
    )

    chance = np.random.default_rng(3)
    chance.permutation(20)
    supervised = [texts[place] for place in chance.integers(0, len(texts), 5)]
    loss = torch.zeros((), dtype=torch.float64)
    for row in [*rows, *(Weighted(text, 1.0) for text in supervised)]:
        loss = loss - row.weight * slowly(slow, row.sequence)
    preferred = 0.0
    for pair in pairs:
        good, bad = slowly(slow, pair.good), slowly(slow, pair.bad)
        margin = pair.beta * ((good - pair.reference_good) - (bad - pair.reference_bad))
        preferred += float(torch.log1p(torch.exp(-margin.detach())))
        length = len(pair.good.ids) - pair.good.prompt
        loss = loss + pair.weight * (torch.log1p(torch.exp(-margin)) - pair.imitation / length * good)
    seen = [*(row.sequence for row in rows), *(pair.good for pair in pairs), *supervised]
    (loss / sum(len(each.ids) - each.prompt for each in seen)).backward()
    for mine, written in zip(engine.gradient, slow.parameters(), strict=True):
        torch.testing.assert_close(mine, written.grad, atol=2e-6, rtol=1e-4)
    assert (learnt.steps, learnt.pairs) == (1, 2)
    assert learnt.pair_loss == pytest.approx(preferred / 2, abs=1e-5)


class Rank(Noting):
    """One of two ranks, seen alone: what it adds to the gradient."""

    ranks = 2

    def __init__(self, model: Any, rank: int) -> None:
        super().__init__(model)
        self.rank = rank


def test_the_gradients_of_two_ranks_add_up_to_that_of_one(policy: Path, log: pa.Table) -> None:
    sequences = encode_pairs(load_policy(policy).tokenizer, *read_pairs(log.slice(0, 40)), 64)
    lesson = Lesson([Weighted(each, 0.5) for each in sequences[:36]], [Pair(*sequences[36:38], -9.0, -8.0)])
    how = {"pad": 0, "config": CgpoConfig(batch=64), "rate": 1e-3, "seed": 1}
    engines = [Noting(load_policy(policy).model), *(Rank(load_policy(policy).model, rank) for rank in (0, 1))]
    for engine in engines:
        learn(engine, lesson, sequences[38:], **how)
    for whole, one, other in zip(*(engine.gradient for engine in engines), strict=True):
        torch.testing.assert_close(one + other, whole, atol=2e-6, rtol=1e-4)


def of_length(length: int) -> EncodedAnswer:
    return EncodedAnswer(np.zeros(length, dtype=np.int64), 1)


def test_a_step_is_cut_by_tokens_and_into_as_many_parts_as_ranks() -> None:
    rows = [Weighted(of_length(10 + place), 1.0) for place in range(24)]
    pairs = [Pair(of_length(10), of_length(30), 0.0, 0.0) for _ in range(6)]
    sizes = {
        (tokens, ranks): [len(part) for part in parts_of([*rows, *pairs], tokens=tokens, ranks=ranks)]
        for tokens, ranks in ((16_384, 1), (16_384, 4), (140, 1))
    }
    assert sizes[16_384, 1] == [16, 8, 6]
    assert sizes[16_384, 4] == [6, 6, 6, 6, 2, 2, 2]
    assert sum(sizes[140, 1]) == 30
    for part in parts_of([*rows, *pairs], tokens=140, ranks=1):
        widths = [
            max(len(item.good.ids), len(item.bad.ids)) if isinstance(item, Pair) else len(item.sequence.ids)
            for item in part
        ]
        assert len(part) * max(widths) * (2 if isinstance(part[0], Pair) else 1) <= 140
    quiet = [Weighted(each.sequence, 0.0) for each in rows]
    assert [len(part) for part in parts_of(quiet, tokens=140, ranks=2)] == [1]
