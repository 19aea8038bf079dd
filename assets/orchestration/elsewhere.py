"""A stage in a process of its own, in another environment where one is named: Dagster Pipes carries what it tells.

1. What the process writes appears as the step's stdout and stderr, its figures as observations, while it goes on.
2. However the step ends, when the run is terminated in the UI too, everything that it started ends with it: the process
   ends its ranks and servers in order, as it does on Ctrl-C, and what is left is killed.

Stages that fit one process stay in Dagster's: another one costs the start of torch, some four seconds a step.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import dagster as dg
from dagster import PipesTempFileContextInjector, PipesTempFileMessageReader, open_pipes_session

from assets.orchestration import words
from assets.recipe import Recipe
from assets.run import Run
from assets.stage import Performed, Stage
from streams.children import tied
from streams.descendants import end
from training.progress import Advance, Follow

GRACE = 60.0
"""Seconds that the process has to end its ranks and servers after it was asked to."""
BEAT = 0.2


class Elsewhere(NamedTuple):
    """What became of a stage in another process.

    Attributes:
        performed: As there.
        newest: The newest cycle when it was done.
    """

    performed: Performed
    newest: int


def wanted(stage: str, recipe: Recipe, python: str | None) -> bool:
    """Whether a stage goes to a process of its own: it trains on ranks, samples from a server, or elsewhere.

    Args:
        stage: Its name.
        recipe: The run's.
        python: The Python of another environment, where one is named: whatever trains goes there.
    """
    trains = words.group(stage) in ("models", "policies")
    on_ranks = trains and stage != "incumbent" and recipe.engine.kind == "deepspeed"
    on_server = words.partition(stage) is not None and recipe.policy.rollouts.engine == "vllm"
    return on_ranks or on_server or (trains and python is not None)


def perform(
    context: dg.AssetExecutionContext, run: Run, stage: Stage, follow: Follow, *, anew: bool, python: str | None
) -> Elsewhere:
    """Perform a stage by `loveloop stage` in another process, which holds the run meanwhile.

    Args:
        context: Of the step that waits.
        run: Its recipe is kept in its directory.
        stage: Which.
        follow: Told what the process tells of its progress.
        anew: Run it whatever its key says.
        python: As in `wanted`; None for this one.

    Raises:
        Failure: It failed, with its own words; it may be tried again where somebody else worked in the run.
    """
    found: dict[str, Any] = {}

    def hear(message: Mapping[str, Any]) -> None:
        if "advance" in message:
            follow(Advance(**message["advance"]))
        else:
            found.update(message)

    program = [python or sys.executable, "-m", "assets", "stage"]
    told = ["--run", str(run.directory), "--stage", stage.name, "--anew" if anew else "--stale"]
    code = _follow(context, [*program, *told], hear)
    if "failed" in found:
        raise dg.Failure(found["failed"], allow_retries=bool(found["held"]))
    if code or "performed" not in found:
        raise dg.Failure(
            f"{program[0]} ended ({code}) before stage {stage.name} was done; its last words are in this step's "
            "stderr. Materialise it again when that is mended: a training that keeps its state goes on where it was",
            allow_retries=False,
        )
    return Elsewhere(Performed(**found["performed"]), int(found["newest"]))


def _follow(
    context: dg.AssetExecutionContext, command: Sequence[str], hear: Callable[[Mapping[str, Any]], None]
) -> int:
    """Run a command until it ends, hear its messages as they come, and return its exit code."""
    heard = 0
    reader = PipesTempFileMessageReader()
    with open_pipes_session(context, PipesTempFileContextInjector(), reader) as session:

        def listen() -> None:
            nonlocal heard
            for message in session.get_custom_messages()[heard:]:
                heard += 1
                hear(message)

        with running(command, session.get_bootstrap_env_vars()) as process:
            context.log.info("process %d: %s", process.pid, " ".join(command))
            while process.poll() is None:
                listen()
                time.sleep(BEAT)
    listen()
    return process.returncode


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with the streams of this one, and its end with all that it started."""
    process = subprocess.Popen(tied(list(command)), env={**os.environ, **environment}, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        end(process, grace=GRACE)
