"""A command that is run to its end while what it says is passed on, line by line."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Ended(NamedTuple):
    """How a command ended: its exit code, and the last line it said that is not empty."""

    code: int
    last: str


def followed(command: Sequence[str], say: Callable[[str], object], environment: Mapping[str, str]) -> Ended:
    """Run a command to its end and pass on each line that it says, errors among them.

    Args:
        command: A program and its arguments.
        say: Takes a line without its end.
        environment: The whole of it.
    """
    process = subprocess.Popen([*command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    last = ""
    try:
        for line in process.stdout:
            last = line.strip() or last
            say(line.rstrip())
    except BaseException:
        process.terminate()
        raise
    finally:
        process.stdout.close()
        code = process.wait()
    return Ended(code, last)
