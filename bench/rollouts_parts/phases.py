"""One turn of each client on one server: the bare one, the fair one, and our phase with and without log-probabilities.

All of them ask for the same prompts, seeds, sampling settings and end tokens, so they draw the same tokens.
"""

import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from training.policy.batches import encode_prompts, join
from training.policy.likelihood import each_logprobs
from training.policy.load import Policy, ends_of
from training.rollout.generator import Draw, Generator, Sample
from training.rollout.server import VllmServer
from training.rollout.store import RolloutStore
from training.rollout.vllm import VllmGenerator, seed_of
from training.rollout.wire import Request
from training.text import Conversation

PROGRAM = Path(__file__).with_name("raw.py")
LONGEST = 512


class Turn(NamedTuple):
    """What one client did in one turn.

    Attributes:
        tokens: Drawn.
        seconds: Wall clock.
        client: CPU seconds of the client's process.
        server: CPU seconds of the server's processes.
        reading: Wall clock of the trainer's reading of one sample a prompt, and of all, which learners do afterwards.
    """

    tokens: int
    seconds: float
    client: float
    server: float
    reading: tuple[float, float] = (0.0, 0.0)

    @property
    def speed(self) -> float:
        """Tokens/s."""
        return self.tokens / self.seconds


class Scene(NamedTuple):
    """What all clients share.

    Attributes:
        server: Which is asked.
        policy: What it serves, as the trainer has it.
        prompts: What is answered.
        how: Samples and limits; the seed is each turn's.
        concurrency: Prompts under way at once.
        place: For files.
    """

    server: VllmServer
    policy: Policy
    prompts: Sequence[Conversation]
    how: Draw
    concurrency: int
    place: Path

    def bare(self, model: str, seed: int) -> Turn:
        """A client that only counts tokens: not even their ids come back."""
        return self._raw(model, seed, {"return_token_ids": False})

    def fair(self, model: str, seed: int) -> Turn:
        """The same, but the tokens come back, without which nothing can be learnt."""
        return self._raw(model, seed, {})

    def ours(self, model: str, seed: int) -> Turn:
        """Our phase as the optimiser runs it: drawn, checked, decoded, kept and read back."""
        return self._phase(model, replace(self.how, seed=seed, logprobs=False))

    def full(self, model: str, seed: int) -> Turn:
        """The same with log-probabilities."""
        return self._phase(model, replace(self.how, seed=seed))

    def _raw(self, model: str, seed: int, changes: dict[str, Any]) -> Turn:
        ids = encode_prompts(self.policy.tokenizer, self.prompts, LONGEST)
        how, ends = self.how, tuple(sorted(ends_of(self.policy)))
        asked = [
            Request(each, how.samples, seed_of(seed, place), how.temperature, how.max_new_tokens, ends, logprobs=False)
            for place, each in enumerate(ids)
        ]
        file = self.place / "bodies.json"
        file.write_text(json.dumps([each.body(model) | changes for each in asked]))
        program = [str(self.server.environment / "bin" / "python"), str(PROGRAM)]
        words = [*program, self.server.client.url, str(file), str(self.concurrency)]
        before = self._server_cpu()
        found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
        return Turn(found["tokens"], found["seconds"], found["cpu_seconds"], self._server_cpu() - before)

    def _phase(self, model: str, how: Draw) -> Turn:
        who = VllmGenerator(self.server, model, self.policy.tokenizer, sorted(ends_of(self.policy)))
        before, worked = self._server_cpu(), time.process_time()
        drawn, seconds = phase(who, self.prompts, how, self.place)
        worked, server = time.process_time() - worked, self._server_cpu() - before
        tokens = sum(len(sample.token_ids) for several in drawn for sample in several)
        return Turn(tokens, seconds, worked, server, (self._reading(drawn, 1), self._reading(drawn, how.samples)))

    def _reading(self, drawn: list[list[Sample]], several: int) -> float:
        prompts = encode_prompts(self.policy.tokenizer, self.prompts, LONGEST)
        sequences = [
            join(ids, sample.token_ids.tolist())
            for ids, some in zip(prompts, drawn, strict=True)
            for sample in some[:several]
        ]
        started = time.perf_counter()
        each_logprobs(self.policy, sequences)
        return time.perf_counter() - started

    def _server_cpu(self) -> float:
        """CPU seconds so far; without the engine's, where a worker computes and the engine but spins meanwhile."""
        members = {each: each.name() for each in psutil.Process(self.server.pid).children(recursive=True)}
        spins = any("Worker" in name for name in members.values())
        return sum(sum(each.cpu_times()[:2]) for each, name in members.items() if not (spins and "Engine" in name))


def phase(who: Generator, prompts: Sequence[Conversation], how: Draw, place: Path) -> tuple[list[list[Sample]], float]:
    """Our phase, the store included: the samples and its seconds."""
    with tempfile.TemporaryDirectory(dir=place) as fresh:
        started = time.perf_counter()
        found = RolloutStore(Path(fresh)).rollouts(who, prompts, how)
        return found.samples, time.perf_counter() - started
