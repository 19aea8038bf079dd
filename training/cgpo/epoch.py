"""The second half of a round: one epoch on the lesson, with logged text mixed in to keep the language."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from training.cgpo.codpo import codpo_loss, preference_loss
from training.cgpo.config import CgpoConfig
from training.cgpo.lesson import Lesson, Pair, Weighted
from training.engine.engine import Engine, dealt
from training.engine.lanes import accumulate
from training.policy.batches import EncodedAnswer, padded
from training.policy.likelihood import token_logprobs
from training.progress import Follow, Trail, nobody

ROWS = 16
"""Most sequences of one forward pass."""
Batch = list[Weighted | Pair]


@dataclass(frozen=True, slots=True)
class EpochProgress:
    """How far an epoch is, and sums over what all ranks have seen, weights left out.

    Attributes:
        steps: Done.
        lost: Negative log-likelihood of rows and good responses, nats.
        tokens: Of the same.
        preferred: `-log sigmoid(beta (delta_good - delta_bad))` of pairs.
        pairs: How many.
    """

    steps: int = 0
    lost: float = 0.0
    tokens: int = 0
    preferred: float = 0.0
    pairs: int = 0

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood, nats a token."""
        return self.lost / max(1, self.tokens)

    @property
    def pair_loss(self) -> float:
        """Mean loss of a pair's preference, nats."""
        return self.preferred / max(1, self.pairs)


def learn(
    engine: Engine,
    lesson: Lesson,
    supervised: Sequence[EncodedAnswer],
    *,
    pad: int,
    config: CgpoConfig,
    rate: float,
    seed: int,
    tokens: int = 16_384,
    done: EpochProgress = EpochProgress(),  # it cannot be changed
    keep: Callable[[EpochProgress], None] | None = None,
    title: str = "learn",
    follow: Follow = nobody,
) -> EpochProgress:
    """One epoch over weighted rows, pairs and the supervised share, as one loss.

    A step's loss is `[sum_i -w_i log pi(a_i) + sum_p w_p loss_p - sum_t log pi(t)] / tokens`, with CODPO's loss of each
    pair, `t` the supervised texts, and the tokens of rows, good responses and texts. Parts of a batch are passed one
    after another; their gradients add up, over ranks too.

    Args:
        engine: Trains the model.
        lesson: What is learnt.
        supervised: Logged sequences, from which each step draws its share.
        pad: The token that fills rows up.
        config: Batch and shares.
        rate: The peak of the learning rate.
        seed: Of the order and the draws.
        tokens: Most padded tokens of one pass.
        done: Where an interrupted epoch stood; the engine has loaded the state of that step.
        keep: Called every `config.save_every` steps with how far the epoch is, save after the last.
        title: What is learnt, for the terminal and the follower.
        follow: Told each step with the mean loss so far.

    Raises:
        NotFiniteError: The loss of a step is NaN or infinite; no state of it is kept.
    """
    batches = list(_batches(lesson, supervised, config, seed))
    if not done.steps:
        torch.manual_seed(seed)
        engine.begin(len(batches), rate)
    engine.model.train()
    with Trail(len(batches), done=done.steps, title=title, rank=engine.rank, follow=follow) as trail:
        for batch in batches[done.steps :]:
            done = _step(engine, batch, pad, tokens, done)
            trail.ahead(done.loss)
            if keep and done.steps % config.save_every == 0 and done.steps < len(batches):
                keep(done)
    engine.model.eval()
    return done


def _batches(lesson: Lesson, supervised: Sequence[EncodedAnswer], config: CgpoConfig, seed: int) -> Iterator[Batch]:
    chance = np.random.default_rng(seed)
    items: Batch = [*lesson.weighted, *lesson.pairs]
    order = chance.permutation(len(items))
    for start in range(0, len(order), config.batch):
        batch = [items[index] for index in order[start : start + config.batch]]
        extra = round(len(batch) * config.supervised) if supervised else 0
        yield batch + [Weighted(supervised[index], 1.0) for index in chance.integers(0, max(1, len(supervised)), extra)]


def _step(engine: Engine, batch: Batch, pad: int, longest: int, done: EpochProgress) -> EpochProgress:
    tokens = _tokens(batch)
    parts = parts_of(batch, tokens=longest, ranks=engine.ranks)

    def work(mine: tuple[Batch, float]) -> tuple[torch.Tensor, tuple[float, float]]:
        part, factor = mine
        rows = [each for each in part if isinstance(each, Weighted)]
        loss, lost, preferred = _rows_loss(engine, rows, pad) if rows else _pairs_loss(engine, part, pad)
        return loss * factor / tokens, (factor * lost, factor * preferred)

    seen = accumulate(engine, work, dealt(parts, engine))
    lost, preferred = (sum(each) for each in zip(*seen, strict=True))
    engine.step()
    pairs = sum(isinstance(each, Pair) for each in batch)
    return EpochProgress(
        done.steps + 1,
        done.lost + engine.total(lost),
        done.tokens + sum(_tokens(part) for part in parts),
        done.preferred + (engine.total(preferred) if pairs else 0.0),
        done.pairs + pairs,
    )


def parts_of(batch: Batch, *, tokens: int, ranks: int) -> list[Batch]:
    """A batch in parts of similar length, rows and pairs apart: a third of the padding.

    Rows of weight 0 pull nowhere and are left out, though their tokens were counted.

    Args:
        batch: Of one step.
        tokens: Most padded tokens of a part; a single row or pair may have more.
        ranks: Rows, and pairs, are cut into at least so many parts, where there are as many.
    """
    rows = sorted((each for each in batch if isinstance(each, Weighted)), key=_longest)
    pairs = sorted((each for each in batch if isinstance(each, Pair)), key=lambda each: len(each.good.ids))
    pulling = [row for row in rows if row.weight] or (rows[:1] if not pairs else [])
    return [*_cut([*pulling], ROWS, tokens, ranks), *_cut([*pairs], ROWS // 2, tokens // 2, ranks)]


def _cut(items: Batch, most: int, tokens: int, ranks: int) -> list[Batch]:
    size = min(most, -(-len(items) // ranks))
    parts: list[Batch] = []
    for each in items:
        together = [*(parts[-1] if parts else ()), each]
        if parts and len(together) <= size and len(together) * max(map(_longest, together)) <= tokens:
            parts[-1].append(each)
        else:
            parts.append([each])
    return parts


def _longest(item: Weighted | Pair) -> int:
    """Tokens of a row, or of the longer half of a pair, prompt included."""
    return max(len(item.good.ids), len(item.bad.ids)) if isinstance(item, Pair) else len(item.sequence.ids)


def _tokens(batch: Batch) -> int:
    """Response tokens of rows and of pairs' good halves."""
    return sum(_length(each.good if isinstance(each, Pair) else each.sequence) for each in batch)


def _rows_loss(engine: Engine, rows: Sequence[Weighted], pad: int) -> tuple[torch.Tensor, float, float]:
    """The loss, the negative log-likelihood in it, and no pair's preference."""
    weight = torch.tensor([each.weight for each in rows], device=engine.device)
    likely = _likelihoods(engine, [each.sequence for each in rows], pad)
    return -(likely * weight).sum(), -float(likely.detach().sum()), 0.0


def _pairs_loss(engine: Engine, part: Batch, pad: int) -> tuple[torch.Tensor, float, float]:
    """The loss, the negative log-likelihood of the good halves, and the preferences' loss."""
    pairs = [each for each in part if isinstance(each, Pair)]
    likely = _likelihoods(engine, [each.good for each in pairs] + [each.bad for each in pairs], pad)
    good, bad = likely[: len(pairs)], likely[len(pairs) :]
    numbers = [
        [each.reference_good, each.reference_bad, each.weight, each.beta, each.imitation, _length(each.good)]
        for each in pairs
    ]
    reference_good, reference_bad, weight, beta, imitation, length = torch.tensor(numbers, device=engine.device).T
    loss = codpo_loss(good, bad, reference_good, reference_bad, length=length, beta=beta, imitation=imitation)
    preferred = preference_loss(good, bad, reference_good, reference_bad, beta).detach()
    return (loss * weight).sum(), -float(good.detach().sum()), float(preferred.sum())


def _likelihoods(engine: Engine, sequences: Sequence[EncodedAnswer], pad: int) -> torch.Tensor:
    ids, response = padded(sequences, pad)
    return token_logprobs(engine.model, ids.to(engine.device), response.to(engine.device)).sum(dim=1)


def _length(sequence: EncodedAnswer) -> int:
    return len(sequence.ids) - sequence.prompt
