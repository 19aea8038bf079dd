import math

import pytest
import torch

from training.cgpo.rewards import calibrated_reward, log_ratio_per_token, soft_and


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_a_calibrated_reward_is_a_half_at_the_baseline_and_stays_below_one() -> None:
    found = calibrated_reward(torch.tensor([[2.0, 2.5, 60.0], [-1.0, -3.0, 0.0]]), torch.tensor([2.0, -1.0]))
    expected = [[0.5, sigmoid(0.5), 1.0], [0.5, sigmoid(-2.0), sigmoid(1.0)]]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_a_shift_of_all_rewards_on_a_prompt_changes_nothing() -> None:
    reward = torch.randn(2, 5, 4)
    baseline, weights = torch.randn(2, 5), torch.tensor([0.7, 0.3])
    shift = torch.tensor([4.71, -2.0])[:, None]
    moved = soft_and(reward + shift[:, :, None], baseline + shift, weights)
    torch.testing.assert_close(moved, soft_and(reward, baseline, weights), atol=1e-5, rtol=1e-5)


def test_the_soft_and_is_the_weighted_sum_of_log_sigmoids() -> None:
    rewards = torch.tensor([[[1.0, -1.0]], [[0.5, 2.0]]])
    baselines = torch.tensor([[0.0], [1.0]])
    found = soft_and(rewards, baselines, torch.tensor([0.7, 0.3]))
    expected = [
        0.7 * math.log(sigmoid(1.0)) + 0.3 * math.log(sigmoid(-0.5)),
        0.7 * math.log(sigmoid(-1.0)) + 0.3 * math.log(sigmoid(1.0)),
    ]
    assert found[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_no_gain_in_one_reward_buys_off_a_loss_in_another() -> None:
    balanced, lopsided = [1.0, 1.0], [50.0, -5.0]
    rewards = torch.tensor([[[balanced[0], lopsided[0]]], [[balanced[1], lopsided[1]]]])
    even = soft_and(rewards, torch.zeros(2, 1), torch.tensor([0.5, 0.5]))
    assert even[0, 0] > even[0, 1]


def test_one_reward_alone_keeps_its_own_order() -> None:
    reward = torch.randn(1, 6, 8)
    found = soft_and(reward, torch.randn(1, 6), torch.tensor([0.3]))
    assert (found.argsort(dim=1) == reward[0].argsort(dim=1)).all()


def test_the_log_ratio_is_per_token_and_blind_to_padding() -> None:
    logprobs = torch.tensor([[-1.0, -2.0, 99.0], [-0.5, -0.5, -0.5]])
    reference = torch.tensor([[-2.0, -2.5, -99.0], [-0.5, -1.0, -1.5]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    assert log_ratio_per_token(logprobs, reference, mask).tolist() == pytest.approx([0.75, 0.5])


def test_a_short_response_is_not_favoured_by_the_log_ratio() -> None:
    gap = torch.full((2, 10), 0.2)
    mask = torch.arange(10) < torch.tensor([[2], [10]])
    assert log_ratio_per_token(gap, torch.zeros(2, 10), mask).tolist() == pytest.approx([0.2, 0.2])
