"""CODPO: constrained online direct preference optimisation (CGPO, arXiv 2409.20370, algorithm 3)."""

from typing import NamedTuple

import torch
from torch.nn.functional import logsigmoid


class Preference(NamedTuple):
    """Which samples of a prompt are compared: int64 [prompts] each, places among its samples.

    Attributes:
        good: a+.
        bad: a-.
        taught: bool [prompts]; false where nothing is compared, and `good` and `bad` mean nothing.
    """

    good: torch.Tensor
    bad: torch.Tensor
    taught: torch.Tensor


def prefer(scores: torch.Tensor, violating: torch.Tensor) -> Preference:
    """a+ is the best satisfied sample, a- the worst violating one, or the worst of all where none violates.

    A prompt without a satisfied sample is skipped, and so is one whose only sample is both.

    Args:
        scores: [prompts, samples], what samples are ranked by; the first of equals is taken.
        violating: bool [prompts, samples], true where any judge objects.

    >>> scores = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [3.0, 1.0, 2.0]])
    >>> broken = torch.tensor([[True, False, False], [False, False, False], [True, True, True]])
    >>> found = prefer(scores, broken)
    >>> found.good.tolist()[:2], found.bad.tolist()[:2], found.taught.tolist()
    ([2, 0], [0, 1], [True, True, False])
    """
    good = scores.masked_fill(violating, -torch.inf).argmax(dim=1)
    worst = torch.where(violating.any(dim=1, keepdim=True), scores.masked_fill(~violating, torch.inf), scores)
    bad = worst.argmin(dim=1)
    return Preference(good, bad, (~violating).any(dim=1) & (good != bad))


def preference_loss(
    good: torch.Tensor,
    bad: torch.Tensor,
    reference_good: torch.Tensor,
    reference_bad: torch.Tensor,
    beta: torch.Tensor | float,
) -> torch.Tensor:
    """`-log sigmoid(beta (delta_good - delta_bad))` with `delta = log(pi/pi_ref)` of a whole response.

    All that two responses share before they part cancels. At the reference it is log 2.

    Args:
        good: [pairs], log pi of the wanted response, summed over its tokens, nats; as are the next three.
        bad: [pairs].
        reference_good: [pairs], under the frozen reference.
        reference_bad: [pairs].
        beta: Steepness, one for all or [pairs].

    Returns:
        [pairs].

    >>> preference_loss(*torch.tensor([[-1.0], [-4.0], [-2.0], [-3.0]]), beta=0.5).round(decimals=4)
    tensor([0.3133])
    """
    return -logsigmoid(beta * ((good - reference_good) - (bad - reference_bad)))


def codpo_loss(
    good: torch.Tensor,
    bad: torch.Tensor,
    reference_good: torch.Tensor,
    reference_bad: torch.Tensor,
    *,
    length: torch.Tensor,
    beta: torch.Tensor | float,
    imitation: torch.Tensor | float,
) -> torch.Tensor:
    """`-[log sigmoid(beta delta(a+) - beta delta(a-)) + (lambda / |a+|) log pi(a+)]`.

    The paper prints the opposite sign. The second term keeps a+ likely where comparing alone would let both sink.

    Args:
        good: [pairs], log pi of a+, summed over its tokens, nats.
        bad: [pairs], of a-.
        reference_good: [pairs], log pi_ref of a+.
        reference_bad: [pairs], of a-.
        length: [pairs], tokens of a+.
        beta: Steepness, one for all or [pairs].
        imitation: lambda, one for all or [pairs].

    Returns:
        [pairs].

    >>> at = torch.tensor([[-6.0], [-4.0], [-6.0], [-4.0]])
    >>> codpo_loss(*at, length=torch.tensor([3]), beta=0.1, imitation=0.5).round(decimals=4)
    tensor([1.6931])
    """
    return preference_loss(good, bad, reference_good, reference_bad, beta) - imitation * good / length
