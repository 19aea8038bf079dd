import pytest
import torch

from training.cgpo.crraft import FALLBACK, SKIP, choose, select

SCORES = torch.tensor([[1.0, 3.0, 2.0]])
NONE = torch.zeros(1, 3, dtype=torch.bool)
FAR = 0.5
YES, NO = torch.tensor([True]), torch.tensor([False])


def ratios(*values: float) -> torch.Tensor:
    return torch.tensor([values])


def test_the_best_sample_that_every_judge_passes_is_chosen() -> None:
    assert choose(SCORES, NONE, ratios(0, 0, 0), FAR, YES).tolist() == [1]
    assert choose(SCORES, torch.tensor([[False, True, False]]), ratios(0, 0, 0), FAR, YES).tolist() == [2]


def test_a_sample_beyond_the_kl_limit_is_dropped_and_one_at_it_stays() -> None:
    assert choose(SCORES, NONE, ratios(0, 0.51, 0), FAR, YES).tolist() == [2]
    assert choose(SCORES, NONE, ratios(0, 0.5, 0), FAR, YES).tolist() == [1]


def test_a_sample_less_likely_than_under_the_reference_is_never_cut() -> None:
    assert choose(SCORES, NONE, ratios(0, -9.0, 0), FAR, YES).tolist() == [1]


def test_when_all_violate_the_baseline_is_learnt_from() -> None:
    assert choose(SCORES, ~NONE, ratios(0, 0, 0), FAR, YES).tolist() == [FALLBACK]


def test_when_all_violate_and_the_baseline_too_the_prompt_is_skipped() -> None:
    assert choose(SCORES, ~NONE, ratios(0, 0, 0), FAR, NO).tolist() == [SKIP]


def test_when_the_kl_limit_cuts_all_that_pass_the_baseline_is_learnt_from() -> None:
    violating = torch.tensor([[False, True, False]])
    assert choose(SCORES, violating, ratios(0.9, 0, 0.9), FAR, YES).tolist() == [FALLBACK]


def test_the_first_of_equals_wins() -> None:
    assert choose(torch.ones(1, 3), NONE, ratios(0, 0, 0), FAR, YES).tolist() == [0]


def test_every_prompt_is_decided_by_itself() -> None:
    scores = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]])
    violating = torch.tensor([[False, False], [False, False], [True, True]])
    found = choose(scores, violating, torch.zeros(3, 2), FAR, torch.tensor([True, True, False]))
    assert found.tolist() == [1, 0, SKIP]


@pytest.mark.parametrize("seed", range(5))
def test_asking_the_reference_only_about_would_be_winners_chooses_the_same(seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    scores = torch.rand(200, 8, generator=chance)
    violating = torch.rand(200, 8, generator=chance) < 0.4
    ratio = torch.rand(200, 8, generator=chance)
    satisfied = torch.rand(200, generator=chance) < 0.5
    asked = 0

    def ratio_of(prompts: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        nonlocal asked
        asked += len(prompts)
        return ratio[prompts, places]

    found = select(scores, violating, ratio_of, 0.7, satisfied=lambda rows: satisfied[rows])
    assert found.chosen.tolist() == choose(scores, violating, ratio, 0.7, satisfied).tolist()
    assert asked < 0.4 * scores.numel()
    assert (found.cut == (ratio > 0.7) & ~found.log_ratio.isnan()).all()


def test_dear_judges_and_the_baseline_are_asked_about_only_where_it_matters() -> None:
    chance = torch.Generator().manual_seed(1)
    scores, ratio = torch.rand(200, 8, generator=chance), torch.rand(200, 8, generator=chance)
    cheap, dear = torch.rand(200, 8, generator=chance) < 0.3, torch.rand(200, 8, generator=chance) < 0.3
    a0, heard, emptied = torch.rand(200, generator=chance) < 0.5, torch.zeros(200, 8), []

    def ask(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        heard[rows, columns] += 1
        return dear[rows, columns]

    def satisfied(rows: torch.Tensor) -> torch.Tensor:
        emptied.extend(rows.tolist())
        return a0[rows]

    found = select(scores, cheap, lambda rows, columns: ratio[rows, columns], 0.4, satisfied=satisfied, dear=ask)
    assert found.chosen.tolist() == choose(scores, cheap | dear, ratio, 0.4, a0).tolist()
    assert heard.max() == 1
    assert heard[cheap | (ratio > 0.4)].sum() == 0
    assert 200 * 0.5 < heard.sum() < 200 * 1.6
    assert emptied == (found.chosen < 0).nonzero()[:, 0].tolist()
