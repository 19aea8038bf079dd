"""What a reward model minimises: the mean over a batch, a pure function of logits, targets and trust."""

import math

import torch
from torch.nn import functional


def binary(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of unpaired feedback, the mean of `w (-t log sigmoid(s) - (1 - t) log sigmoid(-s))`.

    Args:
        logits: s, [rows].
        targets: t in [0, 1], [rows].
        weights: w, trust, [rows].

    >>> binary(torch.tensor([0.0, 2.0]), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])).item()
    0.3465735912322998
    """
    return functional.binary_cross_entropy_with_logits(logits, targets, weight=weights)


def positive_unlabelled(
    logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, *, said: float, unsaid: float
) -> torch.Tensor:
    """Non-negative risk where a missing reaction need not mean dislike (Kiryo et al., arXiv 1703.00593, equation 6).

    With q = `said`, u = `unsaid` and `k = (q + u (1 - q)) / q` liked responses for each that was said to be, the risk
    is `mean w k t l(s) + max(0, mean w (1 - k t) l(-s))`, where `l(s) = -log sigmoid(s)`: liked but silent responses
    are taken out of the negatives in expectation. Without the bound a model that tells rows apart drives the second
    term below zero, which no true risk is. At u = 0 it is `binary`.

    Args:
        logits: s, [rows].
        targets: t in [0, 1], [rows].
        weights: w, trust, [rows].
        said: Mean target of what the batch was drawn from, above 0.
        unsaid: Share of the responses without a reaction that were liked all the same, in [0, 1).

    Returns:
        A scalar.

    >>> scores, said, trust = torch.tensor([2.0, 1.0, -1.0]), torch.tensor([1.0, 0.0, 0.0]), torch.ones(3)
    >>> known = positive_unlabelled(scores, said, trust, said=0.1, unsaid=0.0)
    >>> bool(torch.isclose(known, binary(scores, said, trust)))
    True
    """
    liked = targets * (said + unsaid * (1 - said)) / said
    told = (weights * liked * functional.softplus(-logits)).mean()
    rest = (weights * (1 - liked) * functional.softplus(logits)).mean()
    return told + (rest if unsaid == 0 else rest.clamp_min(0.0))


def seen_by_now(logits: torch.Tensor, matured: torch.Tensor, stands_for: float) -> torch.Tensor:
    """The logits of a love that has come by now, of responses too young for all loves to have come.

    A love that will come (with chance p) has come by now with chance F, so that one is seen with chance p F (Chapelle,
    *Modeling delayed feedback in display advertising*, KDD 2014, with the delays' distribution known). Of negatives
    each stands for k, so that `s = logit p + log k`, and the odds of a drawn row's love are `k p F / (1 - p F)`:
    `s + log F - log(1 + (1 - F) exp(s - log k))`. At F = 1 they are `s`.

    Args:
        logits: s, [rows].
        matured: F in (0, 1], [rows].
        stands_for: k, at least 1.

    >>> scores, half = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.5])
    >>> torch.sigmoid(seen_by_now(scores, half, 1.0)).tolist()
    [0.5, 0.25]
    """
    missing = torch.log1p(-matured)
    return logits + torch.log(matured) - functional.softplus(logits - math.log(stands_for) + missing)


def bradley_terry(preferred: torch.Tensor, other: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The mean of `-w log sigmoid(s+ - s-)` over pairs of responses to one conversation.

    Args:
        preferred: s+, logits of the responses that were preferred, [pairs].
        other: s-, logits of the others, [pairs].
        weights: w, trust, [pairs].

    >>> bradley_terry(torch.tensor([1.0]), torch.tensor([1.0]), torch.ones(1)).item()
    0.6931471824645996
    """
    return (weights * functional.softplus(other - preferred)).mean()


def cautious(logits: torch.Tensor, caution: float) -> torch.Tensor:
    """What several heads say together: their mean less `caution` times their standard deviation, [rows].

    Heads that learnt from different users disagree where little is known, and a policy that seeks high scores goes
    there first (docs/method.md, 7.6). One head says what it says.

    Args:
        logits: [rows, heads].
        caution: How much disagreement costs; 0 takes the mean.

    >>> cautious(torch.tensor([[1.0, 3.0], [2.0, 2.0]]), 0.5).tolist()
    [1.5, 2.0]
    """
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits.mean(dim=1) - caution * logits.std(dim=1, correction=0)
