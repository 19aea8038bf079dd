"""A hostfile: which machines train together, and with how many ranks each. DeepSpeed's own format."""

import os
import re
import socket
from pathlib import Path
from typing import NamedTuple

_LINE = re.compile(r"^(\S+)\s+slots=(\d+)$")


class Host(NamedTuple):
    """A machine and its ranks."""

    name: str
    slots: int


def read_hosts(file: str | Path) -> list[Host]:
    """The machines of a hostfile, in its order; empty lines and `#` remarks are passed over.

    Raises:
        ValueError: A line that is not `HOST slots=RANKS`, no machine, or machines with unlike numbers of ranks.
        FileNotFoundError: There is no such file.
    """
    found = []
    for number, line in enumerate(Path(file).read_text().splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        match = _LINE.match(text)
        if not match or int(match[2]) < 1:
            raise ValueError(f"{file}, line {number}: {text!r} is not `HOST slots=RANKS`, as in `gpu-1 slots=8`")
        found.append(Host(match[1], int(match[2])))
    if not found:
        raise ValueError(f"{file} names no machine: one line each, `HOST slots=RANKS`")
    if len({host.slots for host in found}) > 1:
        raise ValueError(
            f"{file} gives machines different slots; torchrun starts as many ranks on each: make them equal"
        )
    return found


def own_place(hosts: list[Host]) -> int:
    """Which of the machines this is: by LOVELOOP_NODE where it is set, else by name.

    Raises:
        ValueError: None of them, by name.
    """
    if "LOVELOOP_NODE" in os.environ:
        return int(os.environ["LOVELOOP_NODE"])
    names = {socket.gethostname(), socket.gethostname().partition(".")[0], socket.getfqdn()}
    for place, host in enumerate(hosts):
        if host.name in names:
            return place
    known = ", ".join(host.name for host in hosts)
    raise ValueError(
        f"this machine ({', '.join(sorted(names))}) is none of the hostfile's ({known}): mend the names, or set "
        "LOVELOOP_NODE to its place there, from 0"
    )
