"""Starts a command on every rank of this machine under torchrun, streams its log, and ends it by id.

torchrun watches its ranks and ends the others when one dies. We watch torchrun: it is tied to us (it ends when we do,
however we end), its lines go to a log file and to the caller, and what a lost rank left as its last words is said.
"""

import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.children import tied
from streams.descendants import end
from training.engine.config import EngineConfig
from training.engine.hosts import own_place, read_hosts
from training.engine.steps import SAID

PORT = 29_500
"""Where the ranks of several machines meet, on the first one."""
_FAILED = re.compile(r"^\s*rank\s*:\s*(\d+) \(local_rank: \d+\)\n\s*exitcode\s*:\s*(-?\d+)", re.MULTILINE)
_GRACE = 40.0


class RankLostError(ChildProcessError):
    """A rank died or failed; the message says which, why, and how to go on."""


def run_ranks(
    command: Sequence[str], config: EngineConfig, *, log: Path, on_line: Callable[[str], None], resume: str
) -> None:
    """Run `python COMMAND...` once on each rank of this machine, and return when all have ended well.

    1. torchrun starts the ranks, with one thread each unless OMP_NUM_THREADS says otherwise.
    2. Every line goes to `log`, and those of the ranks to `on_line`.
    3. When a rank fails, torchrun ends the others; which rank it was, and its last words, are raised.
    4. However this function is left, no process of it stays.

    Args:
        command: What python runs: `-m assets train ...` or a script with its arguments.
        config: Ranks and machines.
        log: The file that keeps all lines.
        on_line: Takes each line that the ranks wrote.
        resume: How to go on after a failure, for the message.

    Raises:
        RankLostError: A rank failed or was killed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    kept: deque[str] = deque(maxlen=400)
    with log.open("a") as file, _started(command, config) as torchrun:
        try:
            assert torchrun.stdout is not None
            for line in torchrun.stdout:
                file.write(line)
                file.flush()
                kept.append(line)
                on_line(line.rstrip("\n"))
            code = torchrun.wait()
        finally:
            end(torchrun, grace=_GRACE)
    if code:
        raise RankLostError(_told("".join(kept), code, log, resume))


def run_module(module: str, job: Path, config: EngineConfig, *, log: Path, on_line: Callable[[str], None]) -> None:
    """Run `python -m MODULE JOB` on each rank of this machine.

    Args:
        module: Reads what is to be done from `job`.
        job: A file or folder.
        config: Ranks and machines.
        log: The file that keeps all lines.
        on_line: Called with each of them.

    Raises:
        RankLostError: A rank failed or was killed.
    """
    resume = "Run the same command again: it goes on at the last kept state"
    run_ranks(["-m", module, str(job)], config, log=log, on_line=on_line, resume=resume)


def torchrun_command(command: Sequence[str], config: EngineConfig) -> list[str]:
    """The command line that starts this machine's ranks."""
    meeting = ["--standalone"]
    ranks = config.ranks
    if config.hostfile is not None:
        hosts = read_hosts(config.hostfile)
        ranks = hosts[0].slots
        meeting = [
            f"--nnodes={len(hosts)}",
            f"--node-rank={own_place(hosts)}",
            f"--master-addr={hosts[0].name}",
            f"--master-port={os.environ.get('MASTER_PORT', PORT)}",
        ]
    program = [sys.executable, "-m", "torch.distributed.run", *meeting, f"--nproc-per-node={ranks}"]
    return [*program, "--no-python", sys.executable, "-u", *command]


def _started(command: Sequence[str], config: EngineConfig) -> "subprocess.Popen[str]":
    slots = read_hosts(config.hostfile)[0].slots if config.hostfile else config.ranks
    return subprocess.Popen(
        tied(torchrun_command(command, config)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        env={"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"} | os.environ | {"LOCAL_SIZE": str(slots)},
    )


def _told(text: str, code: int, log: Path, resume: str) -> str:
    failed = [(int(rank), int(status)) for rank, status in _FAILED.findall(text)]
    killed = [each for each in failed if each[1] < 0 and each[1] != -signal.SIGTERM]
    said = [line.partition(SAID)[2] for line in text.splitlines() if line.startswith(SAID)]
    if killed:
        rank, status = killed[0]
        name = signal.Signals(-status).name
        why = "memory ran out, or somebody killed it" if name == "SIGKILL" else "see the log"
        return f"rank {rank} was ended by {name} ({why}); the others were ended. {resume}. Log: {log}"
    rank = failed[0][0] if failed else 0
    words = (
        said[0]
        if said
        else f"it ended with exit code {failed[0][1] if failed else code}; its last words are in the log"
    )
    return f"rank {rank}: {words}. {resume}. Log: {log}"
