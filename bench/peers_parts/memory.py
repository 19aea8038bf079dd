"""The most memory that this process has held. Plain Python alone: the rival's environment reads it too."""

import re
from pathlib import Path


def peak_mib() -> float:
    """MiB of the resident set at its highest since this program began.

    `getrusage` would not do: what it tells of a child starts at the size of the parent that started it.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("/proc/self/status has no VmHWM; this benchmark runs on Linux")
    return int(found[1]) / 1024
