"""Who speaks for the policy that is trained: the process that trains it, or a vLLM server that gets its weights."""

import copy
import json
import logging
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Protocol

from streams.record_fields import fields_of
from training import pretrained
from training.policy.load import Policy, ends_of
from training.rollout.config import RolloutsConfig, environment_of, missing
from training.rollout.generator import Generator, TransformersGenerator, version_of
from training.rollout.launch import ServerShape
from training.rollout.server import GivenServer, VllmServer
from training.rollout.vllm import VllmGenerator
from training.rollout.watchdog import LogprobAgreement, watch

_DTYPES = {"torch.float32": "float32", "torch.bfloat16": "bfloat16", "torch.float16": "float16"}

logger = logging.getLogger(__name__)


class Speaker(Protocol):
    """Makes generators of the policies of a training."""

    def reference(self, frozen: Policy, version: str) -> Generator:
        """Who draws from the frozen reference."""
        ...

    def policy(self, trained: Policy, version: str) -> Generator:
        """Who draws from the policy as it is now; used until its next step."""
        ...


class LocalSpeaker:
    """Draws in this process, by transformers."""

    def reference(self, frozen: Policy, version: str) -> Generator:
        """The model itself."""
        return TransformersGenerator.of_policy(frozen, version)

    def policy(self, trained: Policy, version: str) -> Generator:
        """The model itself; of one with an adapter, a copy with the adapter merged."""
        if not hasattr(trained.model, "merge_and_unload"):
            return TransformersGenerator.of_policy(trained, version)
        merged = copy.deepcopy(trained.model).merge_and_unload()
        return TransformersGenerator.of_policy(Policy(merged, trained.tokenizer), version)


class VllmSpeaker:
    """Draws from a vLLM server, which gets the policy's weights in every round and is watched.

    LoRA: the server holds the reference, and a round's adapter is loaded under the round's version; the one before
    stays until the next, older ones are unloaded. Full weights: the server is started again from the saved policy, and
    the reference is drawn in this process, since a server has room for one set of weights.

    The server is started when the first sample is drawn from it: a round whose rollouts are all in the store needs
    none. Use it in a `with` block, which ends the server.

    Args:
        base: The reference's directory or hub name.
        work: For weights on their way to the server, its log, and what the watchdog saw (`watchdog.ndjson`).
        config: Which server.
        lora_rank: Of the adapter; None when all weights are trained.
        context: Tokens that a prompt and its response may have together.

    Raises:
        ValueError: A given server and full weights.
        FileNotFoundError: No environment to start a server from.
    """

    def __init__(
        self, base: str | Path, work: Path, config: RolloutsConfig, *, lora_rank: int | None, context: int
    ) -> None:
        if config.url and lora_rank is None:
            raise ValueError(
                f"rollouts.url == {config.url!r} with tuning 'full': a server that runs elsewhere cannot be given "
                "other weights; set tuning = 'lora', or leave url out and the server is started here"
            )
        self._base = base
        self._base_version = version_of(base)
        self._work = work
        self._config = config
        self._context = context
        self._rank = lora_rank
        self._server: GivenServer | None = GivenServer(config.url, config) if config.url else None
        self._checked: dict[str, LogprobAgreement] = {}
        self._loaded: list[str] = []
        self._held = ""
        lacking = "" if config.url else missing(environment_of(config.environment))
        if lacking:  # said now, not after an hour
            raise FileNotFoundError(lacking)
        work.mkdir(parents=True, exist_ok=True)

    def reference(self, frozen: Policy, version: str) -> Generator:
        """The server's base under LoRA; the model in this process where all weights are trained."""
        if self._rank is None:
            return TransformersGenerator.of_policy(frozen, version)
        return self._generator(frozen, version, lambda: self._serve_base(frozen))

    def policy(self, trained: Policy, version: str) -> Generator:
        """The server, which gets these weights before the first draw from them."""
        if version == self._base_version:
            return self._generator(trained, version, lambda: self._serve_base(trained))
        bring = self._serve_weights if self._rank is None else self._serve_adapter
        return self._generator(trained, version, lambda: bring(trained, version))

    def close(self) -> None:
        """End the server, if it is ours, and drop the weights that were on their way to it."""
        if self._server is not None:
            self._server.stop()
        shutil.rmtree(self._work / "weights", ignore_errors=True)

    def __enter__(self) -> "VllmSpeaker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _generator(self, policy: Policy, version: str, bring: Callable[[], object]) -> Generator:
        server = self._opened(policy)
        ends = sorted(ends_of(policy))
        plain = VllmGenerator(server, version, policy.tokenizer, ends)

        def prepare() -> None:
            bring()
            if version not in self._checked:
                self._checked[version] = self._watched(plain, policy)

        return VllmGenerator(server, version, policy.tokenizer, ends, prepare=prepare)

    def _opened(self, policy: Policy) -> GivenServer:
        """The server; not started yet."""
        if self._server is None:
            limit = getattr(policy.model.config, "max_position_embeddings", self._context)
            dtype = _DTYPES.get(str(policy.model.dtype), "auto")
            shape = ServerShape(dtype, min(self._context, limit), self._rank, tokens_only=True)
            self._server = VllmServer(self._work, shape, self._config)
        return self._server

    def _serve_base(self, policy: Policy) -> None:
        self._opened(policy).serve(self._base, self._base_version)

    def _serve_weights(self, trained: Policy, version: str) -> None:
        """Start the server again with the trained weights; those of the round before are dropped."""
        server, place = self._opened(trained), self._place(version)
        if self._held != version:
            pretrained.save(place, trained.model, trained.tokenizer)
        server.serve(place, version)
        self._drop(self._held, version)
        self._held = version

    def _serve_adapter(self, trained: Policy, version: str) -> None:
        """Load the round's adapter beside the base; keep the one before, unload those before that."""
        server, place = self._opened(trained), self._place(version)
        server.serve(self._base, self._base_version)
        if version in server.adapters:
            return
        pretrained.save(place, trained.model)
        server.load(version, place)
        self._loaded = [*(name for name in self._loaded if name in server.adapters and name != version), version]
        for old in self._loaded[:-2]:
            server.unload(old)
            self._drop(old, version)

    def _watched(self, plain: VllmGenerator, policy: Policy) -> LogprobAgreement:
        found = watch(plain, policy, round_seed=len(self._checked))
        with (self._work / "watchdog.ndjson").open("a") as file:
            file.write(f"{json.dumps(fields_of(found))}\n")
        logger.info("%s: server and trainer agree within %.1e nats a token", found.version, found.largest)
        return found

    def _place(self, version: str) -> Path:
        return self._work / "weights" / version.replace("/", "_")

    def _drop(self, version: str, kept: str) -> None:
        if version not in ("", kept):
            shutil.rmtree(self._place(version), ignore_errors=True)


def speaker_of(
    config: RolloutsConfig, base: str | Path, work: Path, *, lora_rank: int | None, context: int
) -> AbstractContextManager[Speaker]:
    """Who speaks, as a recipe says, for a `with` block; see `VllmSpeaker` for the arguments."""
    if config.engine == "transformers":
        return nullcontext(LocalSpeaker())
    return VllmSpeaker(base, work, config, lora_rank=lora_rank, context=context)
