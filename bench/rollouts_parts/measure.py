"""The scene, the clients' turns on it, and the figures that come of them."""

import json
import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch
from peft import LoraConfig, get_peft_model

from rollouts_parts.phases import Scene, Turn, phase
from training import pretrained
from training.policy.load import ends_of, load_policy
from training.policy.pretrain import PretrainConfig, pretrain_policy
from training.rollout.config import RolloutsConfig
from training.rollout.generator import Draw, TransformersGenerator
from training.rollout.launch import ServerShape
from training.rollout.server import VllmServer
from training.rollout.vllm import VllmGenerator
from training.rollout.watchdog import watch

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
    prompts, responses = speech(1500, seed=1)
    log = pa.table({"conversation": [json.dumps(each) for each in prompts], "response": responses})
    pretrain_policy(log, place / "incumbent", config=PretrainConfig(), seed=1)
    torch.manual_seed(1)
    shape = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    pretrained.save(place / "adapter", get_peft_model(load_policy(place / "incumbent").model, shape))
    return place / "incumbent", place / "adapter"


def take_turns(scene: Scene, model: str, repeats: int) -> dict[str, list[Turn]]:
    """Each client's turns, the first of a repeat another one every time."""
    clients = {"bare": scene.bare, "fair": scene.fair, "ours": scene.ours, "full": scene.full}
    found: dict[str, list[Turn]] = {name: [] for name in clients}
    scene._replace(prompts=scene.prompts[:32]).full(model, 99)  # the first requests warm server and client up
    for repeat in range(repeats):
        shift = repeat % len(clients)
        for name in [*clients][shift:] + [*clients][:shift]:
            found[name].append(clients[name](model, repeat))
    return found


def ratio(some: list[Turn], others: list[Turn], speed: Callable[[Turn], float] = lambda turn: turn.speed) -> float:
    """The median, over repeats, of one client's speed over another's."""
    return statistics.median(speed(one) / other.speed for one, other in zip(some, others, strict=True))


def with_reading(which: int) -> Callable[[Turn], float]:
    """Tokens/s with the trainer's reading on the clock: 0 of one sample a prompt, 1 of all."""
    return lambda turn: turn.tokens / (turn.seconds + turn.reading[which])


def cpu(turns: list[Turn]) -> float:
    """Microseconds of server and client a token."""
    return statistics.median(1e6 * (each.client + each.server) / each.tokens for each in turns)


def measure(place: Path, count: int, repeats: int) -> dict[str, float]:
    """Every figure."""
    base, adapter = make(place)
    policy, prompts = load_policy(base), speech(count, seed=2)[0]
    config, how = RolloutsConfig(engine="vllm", concurrency=CONCURRENCY), Draw(SAMPLES, 0, 1.0, NEW_TOKENS)
    with VllmServer(place / "vllm", ServerShape("float32", 560, 16, tokens_only=True), config) as server:
        server.serve(base, "incumbent")
        server.load("adapter", adapter)
        scene = Scene(server, policy, prompts, how, CONCURRENCY, place)
        turns, lora = (take_turns(scene, model, repeats) for model in ("incumbent", "adapter"))
        plain = VllmGenerator(server, "incumbent", policy.tokenizer, sorted(ends_of(policy)))
        agreement = watch(plain, policy, probe=prompts[:32])
    local = []
    for repeat in range(repeats):
        drawn, seconds = phase(TransformersGenerator(base), prompts, replace(how, seed=repeat), place)
        local.append(sum(len(sample.token_ids) for several in drawn for sample in several) / seconds)
    speeds = {name: statistics.median(each.speed for each in some) for name, some in turns.items()}
    return {
        "rollout_ratio": ratio(turns["ours"], turns["bare"]),
        "fair_ratio": ratio(turns["ours"], turns["fair"]),
        "full_ratio": ratio(turns["full"], turns["bare"]),
        "read_one_ratio": ratio(turns["ours"], turns["bare"], with_reading(0)),
        "read_all_ratio": ratio(turns["ours"], turns["bare"], with_reading(1)),
        "lora_ratio": ratio(lora["ours"], lora["bare"]),
        "lora_fair_ratio": ratio(lora["ours"], lora["fair"]),
        "lora_full_ratio": ratio(lora["full"], lora["bare"]),
        "cpu_ratio": cpu(turns["bare"]) / cpu(turns["ours"]),
        "bare_client_us": statistics.median(1e6 * each.client / each.tokens for each in turns["bare"]),
        "client_us": statistics.median(1e6 * each.client / each.tokens for each in turns["ours"]),
        "raw_tokens_s": speeds["bare"],
        "vllm_tokens_s": speeds["ours"],
        "full_tokens_s": speeds["full"],
        "lora_tokens_s": statistics.median(each.speed for each in lora["ours"]),
        "transformers_tokens_s": statistics.median(local),
        "largest_difference": agreement.largest,
    }
