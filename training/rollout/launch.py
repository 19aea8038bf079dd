"""How a vLLM server is started: what it must hold, its command, its variables, and what its log says of the start."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from training.rollout.config import PYTHON, RolloutsConfig

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Largest ranks of adapters that the server takes as a setting."""
_STEPS = {
    "non-default args": "settings read",
    "Initializing a V1 LLM engine": "engine made",
    "Starting to load model": "weights are read",
    "init engine": "memory filled",
    "Application startup complete": "ready",
}


class ServerShape(NamedTuple):
    """What a server must be able to hold.

    Attributes:
        dtype: `float32`, `bfloat16` or `auto` (the checkpoint's own).
        context: Tokens of a prompt and its response together; None takes the model's own limit.
        lora_rank: Of the largest adapter; None serves no adapters.
        tokens_only: It is asked by token ids alone and writes no text, which spares it that work; chat needs text.
    """

    dtype: str = "auto"
    context: int | None = None
    lora_rank: int | None = None
    tokens_only: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """A server as it is to be started.

    Attributes:
        environment: Its Python environment.
        shape: What it must be able to hold.
        config: Memory and limits.
        host: Where it listens; `port` too.
    """

    environment: Path
    shape: ServerShape
    config: RolloutsConfig
    host: str
    port: int

    def command(self, model: str | Path, name: str) -> list[str]:
        """The program and its arguments that serve a model under a name."""
        python, shape = str(self.environment / PYTHON), self.shape
        told = [python, "-m", "vllm.entrypoints.openai.api_server", "--host", self.host, "--port", str(self.port)]
        dtype = _stored_in(model) if shape.dtype == "auto" else shape.dtype
        told += ["--model", str(model), "--served-model-name", name, "--dtype", dtype]
        told += ["--logprobs-mode", "raw_logprobs", "--generation-config", "vllm"]
        told += ["--max-model-len", str(shape.context)] if shape.context else []
        told += ["--skip-tokenizer-init"] if shape.tokens_only else []
        if shape.lora_rank is not None:
            told += ["--enable-lora", "--max-loras", str(self.config.max_loras)]
            told += ["--max-lora-rank", str(_rank_setting(shape.lora_rank))]
        on_gpu = ("--gpu-memory-utilization", str(self.config.gpu_memory))
        return [*told, *(on_gpu if self._for_gpus() else _ON_CPU)]

    def variables(self) -> dict[str, str]:
        """Of the server's process: ours, without what leads its Python to our packages, or it to ranks that train."""
        kept = {key: value for key, value in os.environ.items() if not _NOT_ITS_OWN.match(key)}
        return {
            _BINDS: "nobind",  # else every server of a machine sits on the same cores
            **({} if self._for_gpus() or _BINDS in kept else _ONE_PROCESS_LESS),
            **kept,
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
            "VLLM_CPU_KVCACHE_SPACE": str(self.config.cache_gib),
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_DO_NOT_TRACK": "1",
        }

    def _for_gpus(self) -> bool:
        """Whether the environment holds the build for GPUs."""
        return not any(self.environment.glob("lib/python*/site-packages/vllm_cpu-*"))


def progress(log: str) -> str:
    """How far a start has come, by its log.

    >>> progress("... non-default args: ... Starting to load model /models/chat")
    'weights are read'
    """
    return next((word for sign, word in reversed(_STEPS.items()) if sign in log), "libraries are read")


_ON_CPU = (
    # A request with a seed kills the CPU engine as soon as a prompt is read in chunks ("CPU Generator does not use
    # offset"): every prompt is read whole.
    "--enforce-eager",
    "--no-enable-chunked-prefill",
    "--max-num-batched-tokens",
    "8192",
)

_BINDS = "VLLM_CPU_OMP_THREADS_BIND"
_ONE_PROCESS_LESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
"""On a CPU a worker of its own is there to be bound to cores alone. Without one the engine computes by itself, and a
start reads vLLM's libraries twice, not three times: 13 instead of 20 s of a core, and less memory."""


_NOT_ITS_OWN = re.compile(
    r"(PYTHONPATH|PYTHONHOME|VIRTUAL_ENV|((LOCAL|GROUP|ROLE)_)?(RANK|WORLD_SIZE)|ROLE_NAME|LOCAL_SIZE|DS_ACCELERATOR|"
    r"MASTER_(ADDR|PORT)|TORCHELASTIC_\w+)$"
)
"""Variables of this process; the latter are torchrun's, by which a server would look for ranks that are not its own."""


def _stored_in(model: str | Path) -> str:
    """The dtype in which a model computes by itself: vLLM's `auto` would make a float32 one a half-precision one."""
    file = Path(model) / "config.json"
    content = json.loads(file.read_text()) if file.is_file() else {}
    return "float32" if content.get("dtype", content.get("torch_dtype")) == "float32" else "auto"


def _rank_setting(rank: int) -> int:
    """The smallest setting that holds an adapter's rank."""
    for setting in RANKS:
        if rank <= setting:
            return setting
    raise ValueError(f"lora_rank == {rank}, must be at most {RANKS[-1]} for vLLM")
