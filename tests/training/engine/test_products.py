from typing import Any

import pytest
import torch
from torch import nn

from training.engine.config import EngineConfig
from training.engine.placement import place, read_only
from training.engine.products import ProcessorLinear, product, speed_up


def pair(bias: bool) -> tuple[nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    plain = nn.Linear(96, 160, bias=bias)
    fast = nn.Linear(96, 160, bias=bias)
    fast.load_state_dict(plain.state_dict())
    return plain, speed_up(fast)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 100, 515])
def test_product_and_gradients_are_those_of_a_plain_layer(rows: int, bias: bool) -> None:
    plain, fast = pair(bias)
    assert type(fast) is ProcessorLinear
    given = torch.randn(2, rows, 96)
    pull = torch.randn(2, rows, 160)
    found: list[list[torch.Tensor]] = []
    for layer in (plain, fast):
        into = given.clone().requires_grad_()
        out = layer(into)
        out.backward(pull)
        with torch.no_grad():
            alone = layer(given)
        assert into.grad is not None
        found.append(
            [out.detach(), alone, into.grad, *(each.grad for each in layer.parameters() if each.grad is not None)]
        )
    assert len(found[0]) == 4 + bias
    for expected, seen in zip(*found, strict=True):
        torch.testing.assert_close(seen, expected, rtol=1e-5, atol=2e-4)


def test_the_wider_input_has_its_gradient_too() -> None:
    torch.manual_seed(0)
    wide = speed_up(nn.Linear(256, 64, bias=False))
    given, pull = torch.randn(300, 256), torch.randn(300, 64)
    wide(given).backward(pull)
    torch.testing.assert_close(wide.weight.grad, pull.t() @ given, rtol=1e-5, atol=2e-4)


def test_half_precision_stays_with_torch() -> None:
    plain, fast = (each.bfloat16() for each in pair(bias=False))
    given = torch.randn(400, 96, dtype=torch.bfloat16)
    assert torch.equal(plain(given), fast(given))


def test_a_product_alone_is_a_layers() -> None:
    plain, _ = pair(bias=True)
    for rows in (2, 700):
        given = torch.randn(rows, 96)
        torch.testing.assert_close(product(given, plain.weight, plain.bias), plain(given), rtol=1e-5, atol=1e-4)


def test_models_that_are_placed_for_plain_torch_have_such_layers_and_keep_their_names() -> None:
    def made() -> Any:
        return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))

    names = list(made().state_dict())
    for placed in (read_only(made(), torch.device("cpu")), place(made(), EngineConfig(device="cpu"))):
        assert [type(each) for each in placed] == [ProcessorLinear, nn.ReLU, ProcessorLinear]
        assert list(placed.state_dict()) == names
    ranks = place(made(), EngineConfig(kind="deepspeed", device="cpu"))
    assert type(ranks[0]) is nn.Linear
