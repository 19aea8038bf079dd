"""Runs under torchrun: trains a tiny Llama through DeepSpeed in many ways, and writes what came of it for the tests."""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from training.engine.config import EngineConfig
from training.engine.engine import Engine, dealt
from training.engine.placement import place
from training.engine.start import start

STEPS, RATE = 5, 1e-3


def small() -> Any:
    """A Llama of two layers, always the same."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
    )
    return LlamaForCausalLM(shape)


def trained(config: EngineConfig, *, until: int = STEPS, state: Path | None = None) -> Engine:
    """Some steps of five unlike parts each; with `state`, it goes on there and keeps each step."""
    engine = start(place(small(), config), config)
    engine.begin(STEPS, RATE)
    done = (engine.load(state) or {"steps": 0})["steps"] if state else 0
    for step in range(done, until):
        chance = torch.Generator().manual_seed(step)
        parts = [torch.randint(3, 64, (2, 6 + size), generator=chance) for size in range(5)]
        mine = dealt(parts, engine)
        for number, (ids, factor) in enumerate(mine):
            loss = engine.model(input_ids=ids, labels=ids).loss * factor / len(parts)
            engine.backward(loss, last=number == len(mine) - 1)
        engine.step()
        if state:
            engine.save(state, {"steps": step + 1})
    return engine


def weights(engine: Engine) -> dict[str, torch.Tensor]:
    """What was trained, whole, in float32."""
    with engine.whole() as model:
        return {name: each.detach().float().clone() for name, each in model.named_parameters() if each.requires_grad}


def matrix(out: Path) -> None:
    """Each stage, full and LoRA, float32 and bfloat16: its weights, and what the engine said it was."""
    found: dict[str, Any] = {}
    for zero in (0, 2, 3):
        for dtype, tuning in (("float32", "full"), ("float32", "lora"), ("bfloat16", "full")):
            if dtype == "bfloat16" and zero == 0:
                continue
            config = EngineConfig(
                kind="deepspeed", zero=zero, ranks=2, dtype=dtype, tuning=tuning, checkpointing=tuning == "full"
            )
            engine = trained(config)
            whole = weights(engine)
            kind = type(engine.model).__name__
            found[f"{zero} {dtype} {tuning}"] = {"weights": whole, "kind": kind, "ranks": engine.ranks}
    last = EngineConfig(kind="deepspeed", zero=3, ranks=2)
    engine = trained(last)
    with engine.whole() as model:
        if engine.rank == 0:
            model.save_pretrained(out / "saved")
    found["patience"] = engine._talk._get_backend(torch.device("cpu")).options._timeout.total_seconds()
    found["totals"] = engine.total(engine.rank + 1.0), engine.shared(lambda: f"rank {engine.rank}")
    found["resumed"] = resumed(out, last)
    found["other"] = refused(out, EngineConfig(kind="deepspeed", zero=2, ranks=2))
    found["full disk"] = full_disk(out, last)
    if engine.rank == 0:
        torch.save(found, out / "found.pt")


def resumed(out: Path, config: EngineConfig) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Weights of a training that was cut after two steps and of one that was not."""
    trained(config, until=2, state=out / "state")
    return weights(trained(config, state=out / "state")), weights(trained(config))


def refused(out: Path, config: EngineConfig) -> str:
    """What loading another stage's state says."""
    try:
        trained(config, state=out / "state")
    except ValueError as error:
        return str(error)
    return "nothing"


def full_disk(out: Path, config: EngineConfig) -> tuple[str, int, int]:
    """What saving says when no file may grow, the steps of the state that is there then, and its files."""
    engine = trained(config)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, before[1]))
    said = "nothing"
    try:
        engine.save(out / "state", {"steps": 99})
    except OSError as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = engine.load(out / "state")
    assert kept is not None
    return said, kept["steps"], len(list((out / "state").iterdir()))


def killed(out: Path) -> None:
    """One rank: a whole training, then one that SIGKILL ends between two steps, or that goes on after it."""
    config = EngineConfig(kind="deepspeed", zero=2)
    if (out / "whole.pt").exists():
        torch.save(weights(trained(config, state=out / "cut")), out / "resumed.pt")
        return
    torch.save(weights(trained(config)), out / "whole.pt")
    trained(config, until=3, state=out / "cut")
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    {"matrix": matrix, "killed": killed}[sys.argv[1]](Path(sys.argv[2]))
