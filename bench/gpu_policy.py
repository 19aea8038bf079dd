"""Where a step of policy optimisation spends its time on a GPU: an 8B Llama with random weights, nothing downloaded.

    python bench/gpu_policy.py [--quick] [--json FILE] [--peak-flops 989e12] [--bandwidth 3.35e12]

Policy (LoRA, the plain engine), reference and reward have the same shape; a step draws, scores, asks the judge and the
reference, chooses and learns by the product's own functions. Prints seconds of each part, model flops utilisation (MFU)
and, of decoding, the share of memory bandwidth. Without a GPU it refuses; --quick runs a tiny model anywhere, to see
that the code runs: its figures say nothing of a GPU.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import harness

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

PEAKS = {
    "H100 PCIe": (756e12, 2.0e12),
    "H100": (989e12, 3.35e12),
    "H200": (989e12, 4.8e12),
    "A100": (312e12, 2.04e12),
    "B200": (2250e12, 8.0e12),
}
"""By what a GPU's name holds: dense bfloat16 operations a second, and bytes a second, as its maker gives them."""
PARTS = ("prefill", "decode", "generation", "scoring", "reference", "update", "merge", "choice", "other")


class Peak(NamedTuple):
    """What a device could do at most; None where nobody said.

    Attributes:
        flops: Operations a second.
        bandwidth: Bytes a second of its memory.
    """

    flops: float | None
    bandwidth: float | None


def peak_of(name: str, flops: float | None, bandwidth: float | None) -> Peak:
    """What was given, else what is known of a device of this name.

    >>> peak_of("NVIDIA H100 80GB HBM3", None, None), peak_of("cpu", 1e11, None)
    (Peak(flops=989000000000000.0, bandwidth=3350000000000.0), Peak(flops=100000000000.0, bandwidth=None))
    """
    known = next((peak for word, peak in PEAKS.items() if word in name), (None, None))
    return Peak(flops or known[0], bandwidth or known[1])


def figures(measured: Any, load: Any, peak: Peak) -> dict[str, Any]:
    """Seconds a step of each part, its flops, MFU, and decoding's bytes.

    Args:
        measured: `gpu_parts.scene.Measured`.
        load: `gpu_parts.scene.Load`.
        peak: The device's.
    """
    import torch
    from gpu_parts import scene
    from gpu_parts.counts import decode_bytes, forward_flops, update_flops

    policy, reward = scene.shape_of(load), scene.shape_of(load, outputs=1)
    flops = {
        name: forward_flops(reward if name == "scoring" else policy, each.work)
        for name, each in measured.passes.items()
    }
    flops["update"] = update_flops(policy, measured.learnt, lora=True)
    decoding = measured.passes["decode"]
    moved = decode_bytes(
        policy, forwards=decoding.count, pairs=decoding.work.pairs, rows=decoding.rows,
        size=2 if torch.cuda.is_available() else 4,
    )  # fmt: skip
    total = sum(measured.seconds.values())
    rows = {name: _part(name, measured.seconds, flops, peak, load.steps) for name in PARTS if name in measured.seconds}
    rate = moved / measured.seconds["decode"]
    return {
        "parts": rows,
        "step_s": total / load.steps,
        "mfu": sum(flops.values()) / total / peak.flops if peak.flops else None,
        "decode_bytes_s": rate,
        "decode_bandwidth_share": rate / peak.bandwidth if peak.bandwidth else None,
        "tokens_s": measured.new_tokens / sum(measured.seconds.get(each, 0.0) for each in PARTS[:3]),
        "new_tokens": measured.new_tokens,
        "rows_learnt": measured.rows,
        "peak_mib": measured.peak_mib,
        "load": load._asdict(),
    }


def _part(name: str, seconds: dict[str, float], flops: dict[str, int], peak: Peak, steps: int) -> dict[str, Any]:
    rate = flops[name] / seconds[name] if name in flops else None
    return {
        "seconds": seconds[name] / steps,
        "share": seconds[name] / sum(seconds.values()),
        "flops_s": rate,
        "mfu": rate / peak.flops if rate and peak.flops else None,
    }


def table(found: dict[str, Any]) -> str:
    """The figures as they are printed."""

    def cell(value: float | None, pattern: str) -> str:
        return f"{'-':>10}" if value is None else f"{value:>10{pattern}}"

    lines = [f"{'':<12}{'s a step':>10}{'share':>10}{'TFLOP/s':>10}{'MFU':>10}"]
    for name, each in found["parts"].items():
        rate = None if each["flops_s"] is None else each["flops_s"] / 1e12
        cells = cell(each["seconds"], ".4f") + cell(each["share"], ".1%") + cell(rate, ".4f") + cell(each["mfu"], ".1%")
        lines.append(f"{name:<12}{cells}")
    share = found["decode_bandwidth_share"]
    lines += [
        f"a step {found['step_s']:.3f} s, MFU {'-' if found['mfu'] is None else format(found['mfu'], '.1%')}",
        f"decoding {found['decode_bytes_s'] / 1e9:,.2f} GB/s, "
        f"{'-' if share is None else format(share, '.1%')} of the bandwidth; {found['tokens_s']:,.0f} tokens/s drawn",
        f"at most {found['peak_mib']:,.0f} MiB",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = harness.arguments(__doc__, quick="a tiny model, on the processor too: that the code runs")
    parser.add_argument("--prompts", type=int, help="a step (8; --quick: 4)")
    parser.add_argument("--samples", type=int, help="responses to each prompt (8; --quick: 4)")
    parser.add_argument("--prompt-tokens", type=int, help="of each prompt (512; --quick: 24)")
    parser.add_argument("--new-tokens", type=int, help="of the longest response (256; --quick: 16)")
    parser.add_argument("--steps", type=int, help="measured (3; --quick: 2)")
    parser.add_argument("--optimiser", choices=("crraft", "crpg"), default="crraft")
    parser.add_argument("--peak-flops", type=float, help="operations a second of the device, where it is not known")
    parser.add_argument("--bandwidth", type=float, help="bytes a second of its memory, where it is not known")
    wanted = parser.parse_args()
    from gpu_parts import device

    name = device.named(quick=wanted.quick)
    peak = peak_of(name, wanted.peak_flops, wanted.bandwidth)
    from gpu_parts import scene

    usual = scene.Load(scene.LLAMA_8B, 8, 8, 512, 256, 3, wanted.optimiser)
    if wanted.quick:
        usual = scene.Load(scene.TINY, 4, 4, 24, 16, 2, wanted.optimiser)
    asked = {key: value for key in usual._fields if (value := getattr(wanted, key, None)) is not None}
    load = usual._replace(**asked)
    with tempfile.TemporaryDirectory() as folder:
        found = figures(scene.run(load, Path(folder)), load, peak)
    print(f"{name}, peak {peak.flops or 'unknown'} FLOP/s, {peak.bandwidth or 'unknown'} B/s")
    print(table(found))
    harness.write(wanted.json, {"device": name, "peak": peak._asdict(), **found})


if __name__ == "__main__":
    main()
