"""A reader beside the sink: opens the warehouse every second and asks for the newest row, until a line comes on stdin.

As a script: `reader.py '{"warehouse": ...}'`. Its figures: how long opening and reading took, and
how old the newest row was.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

import numpy as np

from warehouse import connection


def read(warehouse: str) -> dict[str, Any]:
    """Read until told to end."""
    told = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), told.set()), daemon=True).start()
    took, age = [], []
    while not told.wait(1.0):
        started = time.time()
        with connection.open(warehouse).read() as opened:
            newest = opened.execute("SELECT epoch_us(max(served_at)) FROM responses").fetchall()[0][0]
        took.append(time.time() - started)
        age.append(started + took[-1] - newest / 1e6)
    p50, longest = np.quantile(took, [0.5, 1.0])
    return {
        "reads": len(took),
        "read_p50_s": p50,
        "read_max_s": longest,
        "newest_row_age_p50_s": float(np.median(age[:-3])),
    }


if __name__ == "__main__":
    print(json.dumps(read(**json.loads(sys.argv[1]))))
