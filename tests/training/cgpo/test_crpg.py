import math

import pytest
import torch

from training.cgpo.crpg import advantages, regularised_reward


def test_golden_values_computed_by_hand() -> None:
    calibrated = torch.tensor([[0.8, 0.5, 0.9], [0.6, 0.4, 0.7]], dtype=torch.float64)
    violating = torch.tensor([[False, False, True], [False, False, False]])
    ratio = torch.tensor([[0.1, 0.5, 0.0], [-0.1, 0.25, 0.6]], dtype=torch.float64)
    found = regularised_reward(calibrated, violating, ratio, 0.5)
    assert found.tolist() == [pytest.approx([0.64, 0.0, 0.0]), pytest.approx([0.72, 0.2, 0.0])]
    mean = (0.64 + 0.72 + 0.2) / 6
    assert advantages(found)[0].tolist() == pytest.approx([0.64 - mean, -mean, -mean])


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_a_slow_loop_computes(seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    calibrated, ratio = (torch.rand(9, 4, generator=chance, dtype=torch.float64) for _ in range(2))
    violating = torch.rand(9, 4, generator=chance) < 0.3
    slow = [
        [0.0 if violating[row, place] else max(1 - ratio[row, place].item() / 0.7, 0) * calibrated[row, place].item()
         for place in range(4)]
        for row in range(9)
    ]  # fmt: skip
    mean = math.fsum(value for row in slow for value in row) / 36
    found = advantages(regularised_reward(calibrated, violating, ratio, 0.7))
    torch.testing.assert_close(found, torch.tensor(slow, dtype=torch.float64) - mean)


def test_a_log_ratio_that_was_not_needed_does_no_harm() -> None:
    ratio = torch.tensor([[math.nan, 0.0]])
    found = regularised_reward(torch.full((1, 2), 0.5), torch.tensor([[True, False]]), ratio, 0.5)
    assert found.tolist() == [[0.0, 0.5]]


def test_equal_rewards_teach_nothing() -> None:
    assert advantages(torch.full((3, 2), 0.4, dtype=torch.float64)).abs().max() < 1e-15


def test_a_violating_sample_is_pushed_down_wherever_others_pass() -> None:
    reward = regularised_reward(
        torch.full((2, 2), 0.5), torch.tensor([[True, False], [False, False]]), torch.zeros(2, 2), 1
    )
    assert advantages(reward)[0].tolist() == pytest.approx([-0.375, 0.125])


def test_the_gradient_of_its_loss_is_the_papers() -> None:
    """Autograd of `sum_i (R_i - mean R) log pi(a_i)` is `sum_i (R_i - mean R) (1[a_i] - pi)` for a softmax."""
    logits = torch.randn(5, dtype=torch.float64, requires_grad=True)
    taken = torch.tensor([0, 3, 3, 1])
    signs = advantages(torch.tensor([0.5, 0.0, 0.7, 0.2], dtype=torch.float64))
    (signs * logits.log_softmax(0)[taken]).sum().backward()
    by_hand = torch.zeros(5, dtype=torch.float64)
    for sign, action in zip(signs.tolist(), taken.tolist(), strict=True):
        by_hand += sign * (torch.eye(5, dtype=torch.float64)[action] - logits.detach().softmax(0))
    torch.testing.assert_close(logits.grad, by_hand)
