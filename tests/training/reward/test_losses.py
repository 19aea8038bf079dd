import math

import numpy as np
import pytest
import torch

from training.reward.losses import binary, bradley_terry, cautious, positive_unlabelled

LOGITS = torch.tensor([2.0, -1.0, 0.5, 0.0], dtype=torch.float64)
SAID = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
TRUST = torch.tensor([1.0, 0.5, 0.25, 1.0], dtype=torch.float64)


def softplus(value: float) -> float:
    return math.log1p(math.exp(-abs(value))) + max(value, 0.0)


def test_binary_is_the_weighted_cross_entropy() -> None:
    by_hand = [softplus(-2.0), 0.5 * softplus(-1.0), 0.25 * softplus(-0.5), softplus(0.0)]
    assert binary(LOGITS, SAID, TRUST).item() == pytest.approx(sum(by_hand) / 4, abs=1e-12)


def test_positive_unlabelled_is_equation_6_with_expectations_written_out() -> None:
    said, unsaid, ones = 0.5, 0.2, torch.ones(4, dtype=torch.float64)
    prior = said + unsaid * (1 - said)
    scores = LOGITS.numpy()
    positive, every = scores[[0, 2]], scores
    up = np.mean([softplus(-each) for each in positive])
    down = np.mean([softplus(each) for each in every]) - prior * np.mean([softplus(each) for each in positive])
    assert down > 0
    found = positive_unlabelled(LOGITS, SAID, ones, said=said, unsaid=unsaid).item()
    assert found == pytest.approx(prior * up + down, abs=1e-12)


def test_positive_unlabelled_never_counts_a_negative_risk_below_zero() -> None:
    sure, ones = torch.tensor([9.0, -9.0], dtype=torch.float64, requires_grad=True), torch.ones(2, dtype=torch.float64)
    risk = positive_unlabelled(sure, torch.tensor([1.0, 0.0]), ones, said=0.5, unsaid=0.5)
    assert risk.item() == pytest.approx(0.75 * softplus(-9.0) / 0.5 / 2, abs=1e-12)


def test_bradley_terry_weighs_pairs_by_trust() -> None:
    found = bradley_terry(LOGITS[[0, 2]], LOGITS[[1, 3]], TRUST[[0, 2]]).item()
    assert found == pytest.approx((softplus(-3.0) + 0.25 * softplus(-0.5)) / 2, abs=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    def free() -> torch.Tensor:
        return LOGITS.clone().requires_grad_()

    assert torch.autograd.gradcheck(lambda s: binary(s, SAID, TRUST), (free(),))
    assert torch.autograd.gradcheck(lambda s: positive_unlabelled(s, SAID, TRUST, said=0.5, unsaid=0.2), (free(),))
    assert torch.autograd.gradcheck(lambda s: bradley_terry(s[:2], s[2:], TRUST[:2]), (free(),))
    heads = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: cautious(s, 0.5), (heads,))
