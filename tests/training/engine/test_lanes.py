import threading
import time
from collections.abc import Callable

import pytest
import torch
from torch import nn

from training.engine.engine import OneProcess
from training.engine.lanes import accumulate, draws_chance, side_by_side

CPU = torch.device("cpu")


@pytest.fixture
def two_threads(cores: Callable[[int], None]) -> None:
    cores(2)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5, bias=False), nn.Tanh(), nn.Linear(5, 1), nn.Linear(1, 1))


def trained(threads: int) -> list[torch.Tensor]:
    """Weights after some steps of five parts each, the last layer unused."""
    torch.set_num_threads(threads)
    made = model()
    engine = OneProcess(made, fused=True)
    engine.begin(4, 1e-2)
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(4):
        told = accumulate(engine, lambda part: (made[:3](part).square().sum() / 50, len(part)), rows.split(11))
        engine.step()
        assert told == [11, 11, 11, 11, 6]
    return [each.detach() for each in made.parameters()]


@pytest.mark.usefixtures("two_threads")
def test_lanes_change_nothing_about_what_is_learnt() -> None:
    torch.set_num_threads(1)
    made = model()
    engine = OneProcess(made, fused=True)
    engine.begin(4, 1e-2)
    rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    for _ in range(4):
        for part in rows.split(11):
            engine.backward(made[:3](part).square().sum() / 50)
        engine.step()
    expected = [each.detach() for each in made.parameters()]
    for threads in (1, 2):
        for one, other in zip(trained(threads), expected, strict=True):
            assert torch.equal(one, other)


@pytest.mark.usefixtures("two_threads")
def test_parts_are_done_beside_each_other_and_come_back_in_order() -> None:
    together = threading.Barrier(2, timeout=20)

    def work(part: int) -> tuple[int, int]:
        together.wait()
        time.sleep(0.01 * (2 - part))
        return part, torch.get_num_threads()

    assert side_by_side(work, [0, 1], CPU) == [(0, 1), (1, 1)]
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_part_alone_is_computed_by_one_core_of_two() -> None:
    assert side_by_side(lambda _: torch.get_num_threads(), ["alone"], CPU) == [1]
    assert side_by_side(lambda _: torch.get_num_threads(), [], CPU) == []
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_a_lane_is_raised_and_the_threads_are_as_before() -> None:
    def work(part: int) -> int:
        return 1 // part

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, [1, 0], CPU)
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_model_with_dropout_draws_its_chance_in_order() -> None:
    assert not draws_chance(model())
    shaky = nn.Sequential(model(), nn.Dropout(0.5))
    assert draws_chance(shaky)
    engine, names = OneProcess(shaky), set[str]()

    def work(part: torch.Tensor) -> tuple[torch.Tensor, None]:
        names.add(threading.current_thread().name)
        return shaky(part).sum(), None

    accumulate(engine, work, [torch.ones(2, 6), torch.ones(2, 6)])
    assert names == {threading.current_thread().name}
