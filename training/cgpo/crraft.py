"""CRRAFT's choice: calibrated-reward, constrained, reward-ranked fine-tuning (CGPO, arXiv 2409.20370, algorithm 2)."""

from collections.abc import Callable
from typing import NamedTuple

import torch

Places = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Tells something of the samples at (prompts [n], samples [n])."""
FALLBACK = -1
"""No sample is left, and a0 is satisfied: learn from a0."""
SKIP = -2
"""No sample is left, and a0 violates: learn nothing from this prompt."""


class Selection(NamedTuple):
    """What is learnt from.

    Attributes:
        chosen: int64 [prompts], the place of the sample to learn from, or FALLBACK, or SKIP.
        log_ratio: [prompts, samples], nats a token; NaN where it was not needed.
        cut: bool [prompts, samples], samples that the KL limit dropped.
    """

    chosen: torch.Tensor
    log_ratio: torch.Tensor
    cut: torch.Tensor


def choose(
    scores: torch.Tensor, violating: torch.Tensor, log_ratio: torch.Tensor, limit: float, a0_satisfied: torch.Tensor
) -> torch.Tensor:
    """Drop every violating sample, drop every sample beyond the KL limit, take the best of what is left.

    Args:
        scores: [prompts, samples], what samples are ranked by; the first of equals wins.
        violating: bool [prompts, samples], true where any judge objects.
        log_ratio: [prompts, samples], nats a token.
        limit: KL_max, nats a token; a sample beyond it is dropped, one at it stays.
        a0_satisfied: bool [prompts], whether every judge passes the baseline response.

    Returns:
        int64 [prompts]: the place of the chosen sample, FALLBACK or SKIP.

    >>> scores, ratio = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.0, 0.0, 0.9]])
    >>> choose(scores, torch.tensor([[False, False, False]]), ratio, 0.5, torch.tensor([True])).tolist()
    [1]
    """
    left = ~violating & ~(log_ratio > limit)
    best = scores.masked_fill(~left, -torch.inf).argmax(dim=1)
    nothing = torch.where(a0_satisfied, FALLBACK, SKIP)
    return torch.where(left.any(dim=1), best, nothing)


def select(
    scores: torch.Tensor,
    violating: torch.Tensor,
    ratio_of: Places,
    limit: float,
    *,
    satisfied: Callable[[torch.Tensor], torch.Tensor],
    dear: Places | None = None,
) -> Selection:
    """`choose`, with reference and judges asked only about samples that would win: about one in K.

    Args:
        scores: [prompts, samples].
        violating: bool [prompts, samples], by the judges that are asked about every sample.
        ratio_of: Log-ratios [n], nats a token, of the samples at (prompts [n], samples [n]).
        limit: KL_max, nats a token.
        satisfied: Whether every judge passes a0: bool [n] for prompts [n]; asked where no sample is left.
        dear: Whether judges that are asked about would-be winners alone object: bool [n], as `ratio_of`.
    """
    known, broken = torch.full_like(scores, torch.nan), violating.clone()
    passed = torch.full_like(violating, dear is None)
    nobody = torch.zeros(len(scores), dtype=torch.bool)
    # The winners of what is known so far are asked about; where one falls, the next best is. Each answer settles a
    # sample for good: the loop ends with what `choose` would give if everything had been asked.
    while True:
        chosen = choose(scores, broken, known, limit, nobody)
        rows = (chosen >= 0).nonzero()[:, 0]
        places = chosen[rows]
        unknown = known[rows, places].isnan()
        unjudged = ~unknown & ~passed[rows, places]
        if unknown.any():
            at = rows[unknown], places[unknown]
            known[at] = ratio_of(*at).to(known.dtype)
        elif dear is not None and unjudged.any():
            at = rows[unjudged], places[unjudged]
            passed[at], broken[at] = True, dear(*at)
        else:
            break
    empty = (chosen == SKIP).nonzero()[:, 0]
    if len(empty):
        nobody[empty] = satisfied(empty)
    return Selection(choose(scores, broken, known, limit, nobody), known, known > limit)
