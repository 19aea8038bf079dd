"""Rollouts: our phase (draw, check, decode, keep) on a vLLM server, against the bare server, and against transformers.

    python bench/rollouts.py [--quick] [--json FILE]

One server, one small Llama (the incumbent's shape) made here. Raw is bench/rollouts_parts/raw.py: a client that only
counts tokens and asks for no log-probabilities. Runs alternate, medians count. Keys: rollout_ratio (ours over raw,
tokens/s), raw_tokens_s, vllm_tokens_s, lora_ratio (the same with an adapter), transformers_tokens_s,
largest_difference (log-probability, server against trainer).
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

AIM = 0.9
SAMPLES, NEW_TOKENS, CONCURRENCY = 8, 48, 64
WORDS = [f"{first}{second}" for first in ("ba", "ce", "di", "fo", "gu", "ha", "ki") for second in ("ra", "se", "to")]


def speech(count: int, seed: int) -> tuple[list[list[dict[str, str]]], list[str]]:
    """Prompts and responses of made-up words, as long as a chat's."""
    chance = random.Random(seed)

    def words(least: int, most: int) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(chance.randint(least, most)))

    prompts = [[{"role": "user", "content": words(8, 60)}] for _ in range(count)]
    return prompts, [words(10, 40) for _ in range(count)]


def make(place: Path) -> tuple[Path, Path]:
    """A policy of the incumbent's shape, and an adapter of it."""
    import pyarrow as pa
    import torch
    from peft import LoraConfig, get_peft_model

    from training import pretrained
    from training.policy.load import load_policy
    from training.policy.pretrain import PretrainConfig, pretrain_policy

    prompts, responses = speech(1500, seed=1)
    log = pa.table({"conversation": [json.dumps(each) for each in prompts], "response": responses})
    pretrain_policy(log, place / "incumbent", config=PretrainConfig(), seed=1)
    torch.manual_seed(1)
    shape = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    pretrained.save(place / "adapter", get_peft_model(load_policy(place / "incumbent").model, shape))
    return place / "incumbent", place / "adapter"


def raw(server: Any, model: str, bodies: list[dict[str, Any]], place: Path) -> float:
    """Tokens/s of the bare client."""
    file = place / "bodies.json"
    file.write_text(json.dumps(bodies))
    program = [str(server.environment / "bin" / "python"), str(ROOT / "bench" / "rollouts_parts" / "raw.py")]
    done = subprocess.run(
        [*program, server.client.url, model, str(file), str(CONCURRENCY)], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return float(found["tokens"] / found["seconds"])


def ours(who: Any, prompts: list[Any], seed: int, place: Path) -> float:
    """Tokens/s of our phase, the store included."""
    from training.rollout.store import Draw, RolloutStore

    with tempfile.TemporaryDirectory(dir=place) as fresh:
        started = time.perf_counter()
        found = RolloutStore(Path(fresh)).rollouts(who, prompts, Draw(SAMPLES, seed, 1.0, NEW_TOKENS))
        seconds = time.perf_counter() - started
    return sum(len(sample.token_ids) for several in found.samples for sample in several) / seconds


def measure(place: Path, count: int, repeats: int) -> dict[str, float]:
    """Every figure."""
    from training.policy.batches import encode_prompts
    from training.policy.load import ends_of, load_policy
    from training.rollout.config import RolloutsConfig
    from training.rollout.generator import TransformersGenerator
    from training.rollout.launch import ServerShape
    from training.rollout.server import VllmServer
    from training.rollout.vllm import VllmGenerator
    from training.rollout.watchdog import watch

    base, adapter = make(place)
    policy, prompts = load_policy(base), speech(count, seed=2)[0]
    bodies = [
        {"prompt": ids, "n": SAMPLES, "max_tokens": NEW_TOKENS, "temperature": 1.0, "seed": 1000 * row}
        for row, ids in enumerate(encode_prompts(policy.tokenizer, prompts, 512))
    ]
    config = RolloutsConfig(engine="vllm", concurrency=CONCURRENCY)
    with VllmServer(place / "vllm", ServerShape("float32", 560, 16, tokens_only=True), config) as server:
        server.serve(base, "incumbent")
        server.load("adapter", adapter)
        speeds: dict[str, list[float]] = {}
        for model in ("incumbent", "adapter"):
            who = VllmGenerator(server, model, policy.tokenizer, sorted(ends_of(policy)))
            ours(who, prompts[:32], 99, place)  # the first requests warm it up
            for repeat in range(repeats):
                speeds.setdefault(f"{model}, raw", []).append(raw(server, model, bodies, place))
                speeds.setdefault(f"{model}, ours", []).append(ours(who, prompts, repeat, place))
        plain = VllmGenerator(server, "incumbent", policy.tokenizer, sorted(ends_of(policy)))
        agreement = watch(plain, policy, probe=prompts[:32])
    local = [ours(TransformersGenerator(base), prompts, repeat, place) for repeat in range(repeats)]
    median = {name: statistics.median(each) for name, each in speeds.items()}
    pairs = {
        model: zip(speeds[f"{model}, ours"], speeds[f"{model}, raw"], strict=True) for model in ("incumbent", "adapter")
    }
    ratios = {model: statistics.median(one / other for one, other in each) for model, each in pairs.items()}
    return {
        "rollout_ratio": round(ratios["incumbent"], 3),
        "raw_tokens_s": round(median["incumbent, raw"]),
        "vllm_tokens_s": round(median["incumbent, ours"]),
        "lora_ratio": round(ratios["adapter"], 3),
        "lora_tokens_s": round(median["adapter, ours"]),
        "transformers_tokens_s": round(statistics.median(local)),
        "largest_difference": agreement.largest,
    }


def main() -> None:
    """Measure, print, and say whether the aim is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="60 prompts, 3 repeats, instead of 300 and 5")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures = measure(Path(place), *((60, 3) if wanted.quick else (300, 5)))
    for name, value in figures.items():
        print(f"{name:>22} {value:,.3g}" if value < 10 else f"{name:>22} {value:,.0f}")
    print("within the aim" if figures["rollout_ratio"] >= AIM else f"BELOW THE AIM of {AIM}")
    if wanted.json:
        wanted.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
