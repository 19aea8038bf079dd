"""The dials of rollouts: who writes the samples, this process or a vLLM server. Light: recipes import it."""

import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

PYTHON = Path("bin") / "python"


class RolloutsConfig(BaseModel):
    """Who writes the samples of a policy that is optimised; see docs/rollouts.md."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    engine: Literal["transformers", "vllm"] = "transformers"
    """`transformers` samples in the process that trains; `vllm` asks a server, started here or given by `url`."""
    url: str | None = None
    """Of a vLLM server that runs already and serves the incumbent; None starts one. Only for LoRA: nobody but its owner
    can give a server other weights."""
    environment: str | None = None
    """The Python environment of the server that is started. None: LOVELOOP_VLLM_ENV, or what `make vllm` makes."""
    max_loras: int = Field(default=4, ge=2, le=64)
    """Adapters that the server holds at once: this round's and the one before are, and others may use it too."""
    concurrency: int = Field(default=64, ge=1, le=4096)
    """Prompts under way at once, each with all of its samples."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """The longest wait for one prompt's samples."""
    start_seconds: float = Field(default=900.0, gt=0)
    """The longest wait for the server to be ready; a large model takes minutes to load."""
    cache_gib: int = Field(default=2, ge=1)
    """Memory for keys and values, in GiB, on a CPU; a GPU takes what its memory has left (`gpu_memory`)."""
    gpu_memory: float = Field(default=0.9, gt=0, lt=1)
    """Share of a GPU's memory that the server takes; where the trainer has the same GPU, leave it room."""

    @field_validator("url")
    @classmethod
    def _plain(cls, value: str | None) -> str | None:
        return None if value is None else plain_url(value)

    @model_validator(mode="after")
    def _only_for_vllm(self) -> "RolloutsConfig":
        if self.engine != "vllm" and (self.url or self.environment):
            raise ValueError(
                "url and environment are those of a vLLM server, but engine is 'transformers': set engine = 'vllm', or "
                "leave them out"
            )
        return self


def plain_url(url: str) -> str:
    """A server's address without a slash or `/v1` at its end.

    Raises:
        ValueError: It names no host, or carries more than one.

    >>> plain_url("http://127.0.0.1:8000/v1/")
    'http://127.0.0.1:8000'
    """
    found = urlsplit(url)
    if found.scheme not in ("http", "https") or not found.hostname or "@" in found.netloc or found.query:
        raise ValueError(f"url == {url!r}, must be http:// or https:// and a host, such as http://127.0.0.1:8000")
    return url.rstrip("/").removesuffix("/v1")


def environment_of(named: str | None = None) -> Path:
    """Where the server's Python environment lies: as named, else LOVELOOP_VLLM_ENV, else what `make vllm` makes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named or os.environ.get("LOVELOOP_VLLM_ENV") or cache / "loveloop" / "vllm").expanduser()


def missing(environment: Path) -> str:
    """Why no vLLM server can be started from an environment; empty when it can."""
    if not (environment / PYTHON).exists():
        lacking = f"no {PYTHON}"
    elif not any(environment.glob("lib/python*/*-packages/vllm")):
        lacking = "no package vllm; it is half made, perhaps"
    else:
        return ""
    return f"no vLLM in {environment} (there is {lacking}): `make vllm` makes it, LOVELOOP_VLLM_ENV says where"
