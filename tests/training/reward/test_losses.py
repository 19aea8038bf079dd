import math

import numpy as np
import pytest
import torch

from training.reward.losses import binary, bradley_terry, cautious, positive_unlabelled, seen_by_now

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


def test_what_is_seen_by_now_has_the_odds_of_a_draw_with_every_kth_negative() -> None:
    liked, matured, stands_for = 0.03, 0.4, 5.0
    score = torch.tensor([math.log(liked / (1 - liked)) + math.log(stands_for)], dtype=torch.float64)
    odds = stands_for * liked * matured / (1 - liked * matured)
    found = seen_by_now(score, torch.tensor([matured], dtype=torch.float64), stands_for)
    assert torch.exp(found).item() == pytest.approx(odds, rel=1e-12)


def test_a_mature_row_is_scored_as_it_is_and_its_gradient_is_finite() -> None:
    score = torch.tensor([-3.0, 0.0, 4.0], requires_grad=True)
    found = seen_by_now(score, torch.ones(3), 7.0)
    assert found.tolist() == score.tolist()
    found.sum().backward()
    assert score.grad is not None
    assert score.grad.tolist() == [1.0, 1.0, 1.0]


def test_young_rows_teach_the_chance_that_a_love_comes_at_all() -> None:
    chance = np.random.default_rng(1)
    rows, liked = 60_000, 0.2
    matured = chance.choice([0.3, 0.6, 1.0], rows)
    seen = (chance.random(rows) < liked) & (chance.random(rows) < matured)
    score = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    said, ripe = torch.tensor(seen, dtype=torch.float64), torch.tensor(matured)
    step = torch.optim.LBFGS([score], max_iter=50)

    def loss() -> torch.Tensor:
        step.zero_grad()
        found = binary(seen_by_now(score.expand(rows), ripe, 1.0), said, torch.ones(rows, dtype=torch.float64))
        found.backward()
        return found

    step.step(loss)
    assert torch.sigmoid(score).item() == pytest.approx(liked, abs=0.01)
    assert seen.mean() < 0.14  # what came by now says less
