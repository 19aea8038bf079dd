import math

import pytest
import torch
from torch.autograd import gradcheck

from training.cgpo.codpo import codpo_loss, prefer, preference_loss


def sixes(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_best_that_passes_is_preferred_to_the_worst_that_violates() -> None:
    scores = torch.tensor([[5.0, 4.0, 1.0, 2.0, 0.0]])
    found = prefer(scores, torch.tensor([[True, False, False, True, False]]))
    assert (found.good.item(), found.bad.item(), found.taught.item()) == (1, 3, True)


def test_where_none_violates_the_lowest_reward_is_the_worst() -> None:
    found = prefer(torch.tensor([[2.0, 0.5, 1.0]]), torch.zeros(1, 3, dtype=torch.bool))
    assert (found.good.item(), found.bad.item(), found.taught.item()) == (0, 1, True)


def test_a_prompt_without_a_satisfied_sample_is_skipped_and_so_is_a_sample_against_itself() -> None:
    scores = torch.tensor([[1.0, 2.0], [1.0, 1.0]])
    assert prefer(scores, torch.tensor([[True, True], [False, False]])).taught.tolist() == [False, False]
    assert prefer(scores[:, :1], torch.tensor([[False], [True]])).taught.tolist() == [False, False]


def test_golden_values_computed_by_hand() -> None:
    good, bad, reference_good, reference_bad = sixes(-10.0), sixes(-8.0), sixes(-11.0), sixes(-6.0)
    # delta(a+) = 1, delta(a-) = -2; beta .5: sigmoid(1.5) = .81757; lambda .3 over 4 tokens: .3 / 4 * 10 = .75
    assert preference_loss(good, bad, reference_good, reference_bad, 0.5).item() == pytest.approx(0.2014133, abs=1e-7)
    found = codpo_loss(good, bad, reference_good, reference_bad, length=sixes(4), beta=0.5, imitation=0.3)
    assert found.item() == pytest.approx(0.2014133 + 0.75, abs=1e-7)


def test_at_the_reference_there_is_no_preference() -> None:
    assert preference_loss(sixes(-3), sixes(-9), sixes(-3), sixes(-9), 1.0).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_a_slow_loop_computes(seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    logs = -20 * torch.rand(4, 7, generator=chance, dtype=torch.float64)
    length = torch.randint(1, 30, (7,), generator=chance)
    beta, imitation = torch.rand(2, 7, generator=chance, dtype=torch.float64)
    found = codpo_loss(*logs, length=length, beta=beta, imitation=imitation)
    for place in range(7):
        good, bad, reference_good, reference_bad = logs[:, place].tolist()
        margin = beta[place].item() * ((good - reference_good) - (bad - reference_bad))
        slow = math.log1p(math.exp(-margin)) - imitation[place].item() / length[place].item() * good
        assert found[place].item() == pytest.approx(slow, abs=1e-10)


def test_gradients_are_those_of_finite_differences() -> None:
    logs = (-5 * torch.rand(2, 4, dtype=torch.float64)).requires_grad_()
    reference, length = -5 * torch.rand(2, 4, dtype=torch.float64), torch.tensor([1, 2, 3, 9])
    assert gradcheck(lambda both: codpo_loss(*both, *reference, length=length, beta=0.7, imitation=0.2), (logs,))


def test_what_two_responses_share_cancels() -> None:
    """Both hold the same first token: its logit has no gradient, only what differs has."""
    shared, apart = (torch.tensor(-1.0, dtype=torch.float64, requires_grad=True) for _ in range(2))
    preference_loss((shared + apart)[None], (shared + 0)[None], sixes(-2), sixes(-1), 1.0).sum().backward()
    assert shared.grad.item() == 0
    assert apart.grad.item() < 0
