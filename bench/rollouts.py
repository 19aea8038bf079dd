"""Rollouts: our phase (draw, check, decode, keep) on a vLLM server, against the bare server, and against transformers.

    python bench/rollouts.py [--quick] [--json FILE]

One server, one small Llama (the incumbent's shape) made here. Four clients take turns, another one first every time,
with the same prompts, seeds and settings (bench/rollouts_parts/phases.py): `bare` only counts tokens, `fair` gets their
ids too, `ours` is the optimiser's phase, `full` the same with log-probabilities. Medians of the turns count. Keys:

    rollout_ratio           ours over bare, tokens/s; aim .9
    fair_ratio              ours over fair
    full_ratio              full over bare
    read_one_ratio          ours over bare with the trainer's reading of one sample a prompt on the clock, which gives
                            learners their log-probabilities; read_all_ratio: of all samples
    lora_ratio, lora_fair_ratio, lora_full_ratio    the same with an adapter
    cpu_ratio               CPU seconds a token, server and client together, bare over ours: what a busy machine can say
    bare_client_us, client_us     of the client alone, microseconds a token
    raw_tokens_s, vllm_tokens_s, full_tokens_s, lora_tokens_s, transformers_tokens_s
    largest_difference      log-probability, server against trainer
"""

import sys
import tempfile
from pathlib import Path

import harness

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

AIM = 0.9


def main() -> None:
    """Measure, print, and say whether the aim is reached."""
    parser = harness.arguments(__doc__, quick="60 prompts, 3 repeats, instead of 300 and 5")
    wanted = parser.parse_args()
    from rollouts_parts.measure import measure

    with tempfile.TemporaryDirectory() as place:
        figures = measure(Path(place), *((60, 3) if wanted.quick else (300, 5)))
    for name, value in figures.items():
        print(f"{name:>22} {value:,.3g}" if value < 10 else f"{name:>22} {value:,.0f}")
    print("within the aim" if figures["rollout_ratio"] >= AIM else f"BELOW THE AIM of {AIM}")
    harness.write(wanted.json, figures)


if __name__ == "__main__":
    main()
