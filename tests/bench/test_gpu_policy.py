"""The benchmark of a step on a GPU: its counts are those of a hand, and its code runs on a processor."""

import doctest
import json
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(autouse=True)
def _bench_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCH))


def test_the_examples_of_the_counts_run() -> None:
    import gpu_policy
    from gpu_parts import counts

    assert [doctest.testmod(each).failed for each in (counts, gpu_policy)] == [0, 0]


def test_the_shape_of_an_8b_llama_has_its_known_weights() -> None:
    from gpu_parts.counts import Shape
    from gpu_parts.scene import LLAMA_8B
    from transformers import LlamaConfig

    shape = Shape.of(LlamaConfig(**LLAMA_8B))
    assert shape.block == 2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14_336 == 218_103_808
    embeddings, norms = 128_256 * 4096, 65 * 4096
    assert 32 * shape.block + 2 * embeddings + norms == 8_030_261_248
    assert Shape.of(LlamaConfig(**LLAMA_8B), outputs=1).outputs == 1


def test_forward_flops_by_hand() -> None:
    from gpu_parts.counts import Shape, Work, causal_pairs, forward_flops

    shape = Shape(hidden=4, inner=8, keys=2, layers=3, outputs=10)
    assert causal_pairs(5) == 1 + 2 + 3 + 4 + 5
    assert causal_pairs(2, past=7) == 8 + 9
    matrices = 2 * 5 * (16 + 8 + 8 + 16 + 32 + 32 + 32)
    attention = 15 * (2 * 4 + 2 * 4)
    assert forward_flops(shape, Work(tokens=5, pairs=15, heads=2)) == 3 * (matrices + attention) + 2 * (2 * 4 * 10)


def test_reading_in_pieces_costs_what_reading_at_once_costs() -> None:
    from gpu_parts.counts import Shape, Work, causal_pairs, forward_flops

    shape = Shape(hidden=8, inner=16, keys=4, layers=2, outputs=7)
    once = forward_flops(shape, Work(9, causal_pairs(9), 9))
    pieces = [forward_flops(shape, Work(1, causal_pairs(1, past=past), 1)) for past in range(9)]
    assert sum(pieces) == once


def test_torch_counts_as_many_operations() -> None:
    from gpu_parts.counts import Shape, Work, forward_flops, update_flops
    from gpu_parts.scene import TINY
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**TINY, attn_implementation="eager"))
    shape, ids = Shape.of(model.config), torch.randint(0, 512, (3, 16))
    square = Work(3 * 16, 3 * 16 * 16, 3 * 16)  # torch computes the masked half of attention, too
    with FlopCounterMode(display=False) as forward:
        model(input_ids=ids, use_cache=False)
    angles = 2 * 16 * (64 // 4 // 2)  # of rotations, a product for torch: positions by half a head's width
    assert forward.get_total_flops() == forward_flops(shape, square) + angles
    with FlopCounterMode(display=False) as both:
        model(input_ids=ids, use_cache=False).logits.sum().backward()
    assert both.get_total_flops() == update_flops(shape, square, lora=False) + angles


def test_lora_saves_the_gradients_of_frozen_weights_alone() -> None:
    from gpu_parts.counts import Shape, Work, forward_flops, update_flops

    shape, work = Shape(4, 8, 2, 3, 10), Work(5, 15, 5)
    frozen = forward_flops(shape, work._replace(pairs=0))
    assert update_flops(shape, work, lora=False) - update_flops(shape, work, lora=True) == frozen


def test_decoding_moves_the_weights_once_a_step_and_each_rows_cache() -> None:
    from gpu_parts.counts import Shape, decode_bytes

    shape = Shape(hidden=4, inner=8, keys=2, layers=3, outputs=10)
    weights = 3 * 144 + 4 * 10
    cached = 3 * (2 + 2)  # numbers of keys and values of one token
    read, written = 2 * (11 + 12), 2 * 2  # two rows, of 11 and then 12 tokens
    found = decode_bytes(shape, forwards=2, pairs=read, rows=written, size=2)
    assert found == 2 * (2 * weights + cached * (read + written))


def test_the_clock_counts_no_second_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpu_parts import watch

    now = iter([1.0, 3.0, 7.0, 12.0, 20.0])
    monkeypatch.setattr(watch.time, "perf_counter", lambda: next(now))
    clock = watch.StepClock(torch.device("cpu"))
    with clock.of("outer"):
        with clock.of("inner"):
            assert clock.part == "inner"
        assert clock.part == "outer"
    clock.end_all()
    assert clock.seconds == {"other": 0.0 + 8.0, "outer": 2.0 + 5.0, "inner": 4.0}


def test_passes_are_counted_without_padding() -> None:
    from gpu_parts.scene import TINY
    from gpu_parts.watch import Passes, PassMeter, StepClock, Work
    from transformers import LlamaConfig, LlamaForCausalLM

    from training.rollout.decode import draw

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**TINY)).eval()
    clock = StepClock(torch.device("cpu"))
    meter = PassMeter(model, clock, pad=0, names={"generation": "prefill"})
    with clock.of("generation"):
        draw(model, [[5, 6, 7], [5]], torch.rand(2, 1, 3).double().numpy(), ends=[], pad=0, temperature=1.0)
    assert meter.passes["prefill"] == Passes(1, 2, Work(4, 6 + 1, 2))
    assert meter.passes["decode"] == Passes(2, 4, Work(4, (4 + 2) + (5 + 3), 4))
    assert {"prefill", "decode", "generation"} <= {*clock.seconds}


def test_peaks_are_known_or_given() -> None:
    import gpu_policy

    assert gpu_policy.peak_of("NVIDIA H100 PCIe", None, None).flops == 756e12
    assert gpu_policy.peak_of("NVIDIA H200", None, 5e12) == (989e12, 5e12)
    assert gpu_policy.peak_of("cpu", None, None) == (None, None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU: the benchmark would measure it")
def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_policy

    monkeypatch.setattr(sys, "argv", ["gpu_policy.py"])
    with pytest.raises(SystemExit, match="sees no GPU"):
        gpu_policy.main()


@pytest.mark.parametrize("optimiser", ["crraft", "crpg"])
def test_a_tiny_step_runs_and_adds_up(optimiser: str, tmp_path: Path) -> None:
    import gpu_policy
    from gpu_parts import scene

    load = scene.Load(scene.TINY, 3, 4, 12, 12, 1, optimiser)
    found = gpu_policy.figures(scene.run(load, tmp_path), load, gpu_policy.Peak(1e11, 1e10))
    assert {"prefill", "decode", "generation", "scoring", "reference", "update", "choice"} <= {*found["parts"]}
    assert sum(each["share"] for each in found["parts"].values()) == pytest.approx(1)
    assert sum(each["seconds"] for each in found["parts"].values()) == pytest.approx(found["step_s"])
    assert found["new_tokens"] <= 3 * 4 * 12
    assert found["mfu"] > 0
    assert found["decode_bandwidth_share"] == pytest.approx(found["decode_bytes_s"] / 1e10)
    assert "decoding" in gpu_policy.table(found)


def test_the_command_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import gpu_policy

    file = tmp_path / "gpu.json"
    monkeypatch.setattr(sys, "argv", ["gpu_policy.py", "--quick", "--steps", "1", "--json", str(file)])
    gpu_policy.main()
    found = json.loads(file.read_text())
    assert "TFLOP/s" in capsys.readouterr().out
    assert found["load"]["steps"] == 1
    assert (found["mfu"] is None) == (found["peak"]["flops"] is None)
