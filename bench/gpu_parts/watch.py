"""Where the time of a step goes: a stack of named parts, and hooks on a model that count what its passes do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from gpu_parts.counts import Work, causal_pairs


class StepClock:
    """Seconds by part; a part that begins within another stops that one's clock, so no second counts twice."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stack, self._since = device, ["other"], 0.0
        self.seconds: dict[str, float] = {}

    @property
    def part(self) -> str:
        """Whose time it is."""
        return self._stack[-1]

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Count what happens within for a part."""
        self.begin(part)
        try:
            yield
        finally:
            self.end()

    def begin(self, part: str) -> None:
        """Start a part."""
        self._book()
        self._stack.append(part)

    def end(self) -> None:
        """Go back to the part around it."""
        self._book()
        self._stack.pop()

    def end_all(self) -> None:
        """Book what has passed since the last part."""
        self._book()

    def reset(self) -> None:
        """Start all over, with what is done by now outside."""
        self._book()
        self.seconds = {}

    def _book(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self.seconds[self.part] = self.seconds.get(self.part, 0.0) + now - (self._since or now)
        self._since = now


class Passes(NamedTuple):
    """The forward passes of a kind.

    Attributes:
        count: How many.
        rows: Sequences in them.
        work: What they were asked to do, padding left out.
    """

    count: int = 0
    rows: int = 0
    work: Work = Work(0, 0, 0)


class PassMeter:
    """Counts a model's forward passes by the part whose time it is, decoding steps (one token a row) apart.

    Args:
        model: Any causal language model or sequence classifier.
        clock: Tells the part; within a part of `own` the passes get their time from it.
        pad: The token that fills rows up.
        names: New names of parts: under what the passes within a part are counted and timed.
    """

    def __init__(self, model: Any, clock: StepClock, pad: int, names: dict[str, str] | None = None) -> None:
        self._clock, self._pad, self._names = clock, pad, names or {}
        self.passes: dict[str, Passes] = {}
        model.register_forward_pre_hook(self._before, with_kwargs=True)
        model.register_forward_hook(self._after, with_kwargs=True)

    def reset(self) -> None:
        """Forget what was counted."""
        self.passes = {}

    def _before(self, _: Any, __: Any, given: dict[str, Any]) -> None:
        ids = given["input_ids"]
        kind = "decode" if given.get("past_key_values") is not None and ids.shape[1] == 1 else ""
        part = self._names.get(self._clock.part, self._clock.part)
        self._clock.begin(kind or part)
        name = kind or part
        before = self.passes.get(name, Passes())
        self.passes[name] = Passes(
            before.count + 1, before.rows + len(ids), before.work.plus(self._work(ids, given, bool(kind)))
        )

    def _after(self, *_: Any) -> None:
        self._clock.end()

    def _work(self, ids: torch.Tensor, given: dict[str, Any], decoding: bool) -> Work:
        if decoding:
            return Work(len(ids), int(given["attention_mask"].sum()), len(ids))
        mask = given.get("attention_mask")
        lengths = (ids != self._pad if mask is None else mask).sum(dim=1).tolist()
        heads = len(ids) if given.get("logits_to_keep") == 1 else sum(lengths)
        return Work(sum(lengths), sum(causal_pairs(length) for length in lengths), heads)
