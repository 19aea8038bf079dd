"""A trunk's training, the same for both: rows, order, loss, optimiser, course of the rate; and what it costs."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from multiview_parts.trunks import MultiView, Plain, View
from multiview_parts.views import Texts, batch
from stats.estimate import Floats
from stats.metrics import log_loss
from training.engine.schedule import Schedule, reward_course
from training.reward.batches import shuffled
from training.reward.data import Rows
from training.reward.losses import binary

RATES, BATCH = {"plain": 2e-3, "multiview": 1e-3}, 64
"""Highest learning rates: each trunk's better one of these two by the validation loss on hh_harmless, on a seed (11)
that is in no figure."""
Make = Callable[[], nn.Module]


class Lesson(NamedTuple):
    """What both trunks learn from.

    Attributes:
        texts: All rows.
        labels: Targets, [rows].
        weights: Trust, [rows].
        epochs: The batches of each epoch, as row positions.
        watched: Rows on which the best epoch is chosen.
    """

    texts: Texts
    labels: Floats
    weights: Floats
    epochs: list[list[Rows]]
    watched: Rows

    @property
    def steps(self) -> list[Rows]:
        """The batches of all epochs, in order."""
        return [rows for epoch in self.epochs for rows in epoch]


def batches(texts: Texts, drawn: Sequence[Rows], seed: int) -> list[list[Rows]]:
    """Each epoch's rows in batches of like length."""
    random, lengths = np.random.default_rng(seed), texts.lengths
    return [[rows[part] for part in shuffled(lengths[rows], size=BATCH, random=random)] for rows in drawn]


def fitted(make: Make, lesson: Lesson, *, split: bool, seed: int, rate: float) -> tuple[nn.Module, list[float]]:
    """A trunk with the weights of its best epoch, and each epoch's loss on the watched rows.

    All epochs are run, whatever the losses: both trunks spend what they were given.
    """
    torch.manual_seed(seed)
    model = make()
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = Schedule(reward_course, len(lesson.steps), rate)
    losses: list[float] = []
    best = model.state_dict()
    for epoch in lesson.epochs:
        model.train()
        for rows in epoch:
            schedule.tick(optimiser)
            labels, weights = (
                torch.tensor(each[rows], dtype=torch.float32) for each in (lesson.labels, lesson.weights)
            )
            optimiser.zero_grad()
            binary(model(batch(lesson.texts, rows, split=split)), labels, weights).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
        raw, trust = scores(model, lesson.texts, lesson.watched, split=split), lesson.weights[lesson.watched]
        losses.append(float(np.average(log_loss(lesson.labels[lesson.watched], raw), weights=trust)))
        if losses[-1] == min(losses):
            best = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return model, losses


def scores(model: nn.Module, texts: Texts, rows: Rows, *, split: bool) -> Floats:
    """Logits of some rows, in their order."""
    model.eval()
    found = np.zeros(len(rows))
    order = np.argsort(texts.lengths[rows], kind="stable")
    with torch.no_grad():
        for part in np.array_split(order, -(-len(order) // BATCH)):
            found[part] = model(batch(texts, rows[part], split=split)).double().numpy()
    return found


def flops(make: Make, lesson: Lesson, *, split: bool) -> int:
    """Operations of all steps, forward and backward, padding included, as torch counts them.

    One row of each shape is run, without data: a batch costs its rows times that.
    """
    model, below = make(), lesson.texts.states[0].shape[1]

    @cache
    def row(*tokens: int) -> int:
        views = [_empty(each, below) for each in tokens]
        with FlopCounterMode(display=False) as counter:
            model(views).sum().backward()
        return int(counter.get_total_flops())

    return sum(len(rows) * row(*_longest(lesson.texts, rows, split=split)) for rows in lesson.steps)


def _empty(tokens: int, below: int) -> View:
    said = torch.zeros(1, tokens, dtype=torch.long)
    return View(torch.zeros(1, tokens, below), torch.ones_like(said, dtype=torch.bool), said)


def _longest(texts: Texts, rows: Rows, *, split: bool) -> tuple[int, ...]:
    starts, lengths = texts.starts[rows], np.array([len(texts.states[row]) for row in rows])
    return (int(starts.max()), int((lengths - starts).max())) if split else (int(lengths.max()),)


class Equal(NamedTuple):
    """Two trunks that cost the same.

    Attributes:
        width: Of the plain one.
        hidden: Of its feed-forward parts.
        flops_plain: Operations of all steps, see `flops`.
        flops_multiview: Likewise.
    """

    width: int
    hidden: int
    flops_plain: int
    flops_multiview: int


def equal(lesson: Lesson) -> Equal:
    """The widths at which the plain trunk costs what that of two views does on the same batches.

    The width is the greatest multiple of 8, from 64, whose usual feed-forward part, four times as wide, costs no more;
    the rest goes into that part.
    """
    below = lesson.texts.states[0].shape[1]
    wanted = flops(partial(MultiView, below), lesson, split=True)

    @cache
    def cost(width: int, hidden: int) -> int:
        return flops(partial(Plain, below, width, hidden), lesson, split=False)

    width = 64
    while cost(width + 8, 4 * (width + 8)) <= wanted:
        width += 8
    usual = cost(width, 4 * width)
    unit = (cost(width, 8 * width) - usual) / (4 * width)
    hidden = 4 * width + round((wanted - usual) / unit)
    return Equal(width, hidden, cost(width, hidden), wanted)
