"""How fast a reward model of 8B learns and scores on a GPU: random weights, nothing downloaded.

    python bench/gpu_reward.py [--quick] [--tuning lora|full] [--layers N] [--json FILE] [--peak-flops 989e12]

Prints tokens a second and model flops utilisation (MFU; the aim is 50 %) of learning and of scoring, through the fit
that `train_reward_model` uses. LoRA holds the model in bfloat16; full tuning with the plain engine holds weights,
gradients and AdamW in float32, 16 bytes a weight: --layers makes the model small enough for the card. It has not been
run on a GPU yet. Without one it refuses; --quick runs a tiny model anywhere, to see that the code runs.
"""

import sys
import time
from pathlib import Path
from typing import Any

import harness
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

AIM = 0.5


def measured(model: dict[str, int], tuning: str, *, rows: int, longest: int, batch: int) -> dict[str, Any]:
    """Learn from rows of ragged lengths, then score them; tokens are those of the texts, padding left out."""
    import torch
    from gpu_parts.counts import Shape, Work, causal_pairs, forward_flops, update_flops
    from gpu_parts.scene import _peak, _words
    from transformers import AutoModelForSequenceClassification, LlamaConfig

    from training.engine.config import EngineConfig
    from training.engine.placement import device_of, place
    from training.engine.schedule import reward_course
    from training.engine.start import start
    from training.reward.config import RewardConfig
    from training.reward.data import Examples
    from training.reward.encoded_rows import EncodedRows
    from training.reward.fit import RewardFit

    device = device_of()
    dtype = "bfloat16" if device.type == "cuda" and tuning == "lora" else "float32"
    engine = EngineConfig(dtype=dtype, tuning=tuning, checkpointing=device.type == "cuda")  # type: ignore[arg-type]
    tokenizer = _words(model["vocab_size"])
    torch.manual_seed(1)
    shape = LlamaConfig(**model, pad_token_id=tokenizer.pad_token_id, num_labels=1, use_cache=False)
    with device:
        raw = AutoModelForSequenceClassification.from_config(shape, dtype=getattr(torch, dtype))
    classifier = place(raw, engine, kind="reward", seed=1)
    runner = start(classifier, engine, betas=(0.9, 0.98), course=reward_course, fused=True)
    config = RewardConfig(epochs=2, batch=batch, max_tokens=longest + 16, positive_rate=0.01)
    clock: list[tuple[float, EncodedRows]] = []

    class _Timed(RewardFit):
        def _pass(self, part: EncodedRows, *rest: Any) -> None:
            _settle(device)
            before = time.perf_counter()
            super()._pass(part, *rest)
            _settle(device)
            clock.append((time.perf_counter() - before, part))

    random = np.random.default_rng(1)
    lengths = random.integers(longest // 4, longest, rows)
    texts = [" ".join(f"w{each}" for each in random.integers(0, model["vocab_size"] // 2, size)) for size in lengths]
    labels = (np.arange(rows) % 2).astype(np.float64)
    talks = [[{"role": "user", "content": text}] for text in texts]
    every = Examples(talks, ["w1 w2"] * rows, labels, np.ones(rows), np.array(["u"] * rows), np.arange(rows))
    fit = _Timed(runner, classifier, tokenizer, config, states={}, name="reward", tokens=engine.tokens)
    fit.run(every, every.take(np.arange(2)))
    seconds, part = clock[-1]  # the first pass warms up
    sizes = [len(each) for each in part.ids]
    work = Work(sum(sizes), sum(map(causal_pairs, sizes)), len(sizes))
    counted = Shape.of(shape, outputs=1)
    before = time.perf_counter()
    fit.raw(part.ids)
    _settle(device)
    scoring = time.perf_counter() - before
    return {
        "train_tokens_s": work.tokens / seconds,
        "train_flops_s": update_flops(counted, work, lora=tuning == "lora") / seconds,
        "score_tokens_s": work.tokens / scoring,
        "score_flops_s": forward_flops(counted, work) / scoring,
        "peak_mib": _peak(device),
        "tuning": tuning,
        "dtype": dtype,
        "rows": rows,
        "tokens": work.tokens,
    }


def _settle(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main() -> None:
    """Measure, print, write."""
    parser = harness.arguments(__doc__, quick="a tiny model, on the processor too: that the code runs")
    parser.add_argument("--tuning", choices=("lora", "full"), default="lora")
    parser.add_argument("--layers", type=int, help="of the model (32; --quick: 2)")
    parser.add_argument("--peak-flops", type=float, help="operations a second of the device, where it is not known")
    wanted = parser.parse_args()
    from gpu_parts import device
    from gpu_parts.scene import LLAMA_8B, TINY
    from gpu_policy import peak_of

    name = device.named(quick=wanted.quick)
    model, amount = (TINY, (16, 48, 8)) if wanted.quick else (LLAMA_8B, (128, 1024, 32))
    model = model | ({"num_hidden_layers": wanted.layers} if wanted.layers else {})
    found = measured(model, wanted.tuning, rows=amount[0], longest=amount[1], batch=amount[2])
    peak = peak_of(name, wanted.peak_flops, None).flops
    for part in ("train", "score"):
        found[f"{part}_mfu"] = found[f"{part}_flops_s"] / peak if peak else None
        share = "-" if not peak else f"{found[f'{part}_mfu']:.1%}"
        print(f"{part}: {found[f'{part}_tokens_s']:,.0f} tokens/s, MFU {share} (aim {AIM:.0%})")
    print(f"{name}, {found['tuning']}, {found['dtype']}, at most {found['peak_mib']:,.0f} MiB")
    harness.write(wanted.json, {"device": name, **found})


if __name__ == "__main__":
    main()
