"""What the engine costs: steps a second and memory, against a hand-written torch loop: [--quick] [--json FILE].

The same small Llama learns the same batches five ways, each in a process of its own: a plain loop of ten lines, the
engine in one process, and DeepSpeed's ZeRO-2 and ZeRO-3 on one and two ranks (gloo). Ways take turns, and the median
of the turns counts, so that a busy machine slows all of them alike. On processors DeepSpeed's ranks share what cores
there are: this shows what the machinery costs, not what GPUs would gain. Not run on a GPU.
"""

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import harness
import torch

from training.engine.config import EngineConfig
from training.engine.engine import dealt
from training.engine.launch import run_ranks
from training.engine.placement import place
from training.engine.start import start

WAYS = {
    "plain loop": None,
    "torch": EngineConfig(),
    "zero-2, 1 rank": EngineConfig(kind="deepspeed", zero=2),
    "zero-2, 2 ranks": EngineConfig(kind="deepspeed", zero=2, ranks=2),
    "zero-3, 2 ranks": EngineConfig(kind="deepspeed", zero=3, ranks=2),
}
PARTS, WARM = 2, 3


def llama() -> Any:
    """A Llama of the demo's size."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 128, "intermediate_size": 336, "num_hidden_layers": 3, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=500, **shape))


def batches(steps: int) -> list[list[torch.Tensor]]:
    """Each step's parts, [16, 48] token ids each."""
    chance = torch.Generator().manual_seed(1)
    return [[torch.randint(3, 500, (16, 48), generator=chance) for _ in range(PARTS)] for _ in range(steps)]


def by_hand(steps: int) -> float:
    """Seconds of a plain loop."""
    model = llama().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0)
    began = 0.0
    for number, parts in enumerate(batches(steps + WARM)):
        began = time.perf_counter() if number == WARM else began
        for ids in parts:
            (model(input_ids=ids, labels=ids).loss / PARTS).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return time.perf_counter() - began


def by_engine(config: EngineConfig, steps: int) -> float:
    """Seconds of the same steps through the engine."""
    engine = start(place(llama(), config), config)
    engine.begin(steps + WARM, 1e-3)
    began = 0.0
    for number, parts in enumerate(batches(steps + WARM)):
        began = time.perf_counter() if number == WARM else began
        mine = dealt(parts, engine)
        for place_, (ids, factor) in enumerate(mine):
            loss = engine.model(input_ids=ids, labels=ids).loss * factor / PARTS
            engine.backward(loss, last=place_ == len(mine) - 1)
        engine.step()
    return time.perf_counter() - began


def one(way: str, steps: int, out: Path) -> None:
    """Measure a way in this process, a rank of it if it has ranks, and write what was seen."""
    config = WAYS[way]
    took = by_hand(steps) if config is None else by_engine(config, steps)
    if os.environ.get("RANK", "0") == "0":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        out.write_text(json.dumps({"steps_per_s": steps / took, "peak_mib": peak}))


def measure(way: str, steps: int, folder: Path) -> dict[str, float]:
    """Run a way in fresh processes."""
    out = folder / "found.json"
    config = WAYS[way] or EngineConfig()
    command = [str(Path(__file__).resolve()), "--way", way, "--steps", str(steps), "--out", str(out)]
    run_ranks(command, config, log=folder / "log", on_line=[].append, resume="Run the benchmark again")
    found: dict[str, float] = json.loads(out.read_text())
    return found


def main() -> None:
    """Measure every way in turns, print a table, and write the figures."""
    parser = harness.arguments(__doc__, quick="one turn of 10 steps instead of three of 60")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.way:
        one(wanted.way, wanted.steps, wanted.out)
        return
    turns, steps = (1, 10) if wanted.quick else (3, 60)
    seen: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(turns):
            for way, found in seen.items():
                found.append(measure(way, steps, Path(folder)))
    rows = {
        way: {key: statistics.median(each[key] for each in found) for key in found[0]} for way, found in seen.items()
    }
    plain = rows["plain loop"]["steps_per_s"]
    figures = {way: row | {"ratio": row["steps_per_s"] / plain} for way, row in rows.items()}
    print(f"{'way':18}{'steps/s':>9}{'of plain':>10}{'MiB, rank 0':>13}")
    for way, row in figures.items():
        print(f"{way:18}{row['steps_per_s']:9.2f}{row['ratio']:10.2f}{row['peak_mib']:13.0f}")
    harness.write(
        wanted.json, {"rows": figures, "one_process_ratio": figures["torch"]["ratio"], "steps": steps, "turns": turns}
    )


if __name__ == "__main__":
    main()
