"""Our optimiser on the same policy, prompts, rewards and number of responses, through `optimise` as a run calls it.

    python ours.py '{"optimiser": "crraft", "policy": ..., "prompts": ..., "out": ..., "rounds": ..., ...}'

All of `optimise` is on the clock: a0's draws, the rollout store, the judge, the kept states and the final save. Tokens
are the policy's own; a0's are extra work that is not counted.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peers_parts import rewards
from peers_parts.memory import peak_mib
from training.cgpo.config import CgpoConfig
from training.cgpo.loop import optimise
from training.cgpo.tasks import Task
from training.judges.library import build
from training.policy.load import Policy, load_policy
from training.rollout.generator import Generator, Sample
from training.rollout.policy_source import LocalSpeaker
from training.text import Conversation


class ToldReward:
    """One of the shared rewards as a task asks it."""

    def __init__(self, name: str) -> None:
        self._score = getattr(rewards, name)

    def logits(self, conversations: Sequence[Conversation], responses: Sequence[str]) -> np.ndarray:
        """Float64 [pairs]."""
        pairs = zip(conversations, responses, strict=True)
        return np.array([self._score(asked[-1]["content"], said) for asked, said in pairs], dtype=np.float64)


class CountingSpeaker(LocalSpeaker):
    """Draws in this process, and counts what the policy said."""

    def __init__(self) -> None:
        self.tokens = self.responses = 0

    def policy(self, trained: Policy, version: str) -> Generator:
        """The usual generator under a counter."""
        return CountedDraws(super().policy(trained, version), self)


class CountedDraws:
    """A generator whose samples are counted."""

    def __init__(self, who: Generator, counts: CountingSpeaker) -> None:
        self.engine, self.version = who.engine, who.version
        self._who, self._counts = who, counts

    def sample(self, conversations: Sequence[Conversation], **how: Any) -> list[list[Sample]]:
        """Draw, and count."""
        drawn = self._who.sample(conversations, **how)
        self._counts.tokens += sum(len(sample.token_ids) for several in drawn for sample in several)
        self._counts.responses += sum(map(len, drawn))
        return drawn


def main(wanted: dict[str, Any]) -> None:
    """Train, and print the figures as the last line."""
    prompts = json.loads(Path(wanted["prompts"]).read_text())
    names = list(rewards.WEIGHTS)
    tasks = [
        Task(name, prompts[place :: len(names)], ToldReward(name), rewards.WEIGHTS[name], reward_version=f"{name}-1")
        for place, name in enumerate(names)
    ]
    config = CgpoConfig(
        optimiser=wanted["optimiser"], pairs=wanted["pairs"], rounds=wanted["rounds"], samples=wanted["samples"],
        prompts=-(-len(prompts) // (wanted["rounds"] * len(names))), max_new_tokens=wanted["new_tokens"],
        lr=wanted["rate"], seed=wanted["seed"],
    )  # fmt: skip
    judges = {"closing": build("closing")} if wanted["judge"] else {}
    speaker, out = CountingSpeaker(), Path(wanted["out"]) / "policy"
    load_policy(wanted["policy"])  # imports what reading a model imports: the rival's clock starts after that, too
    began, worked = time.perf_counter(), time.process_time()
    report = optimise(wanted["policy"], out, tasks=tasks, judges=judges, config=config, speaker=speaker)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    parts = {part: sum(each.seconds[part] for each in report.rounds) for part in ("collect", "learn")}
    figures = {
        "seconds": seconds, "cpu_seconds": worked, "updates": sum(each.steps for each in report.rounds),
        "parts": parts, "kept": str(out), "tokens": speaker.tokens, "responses": speaker.responses,
        "peak_mib": peak_mib(),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
