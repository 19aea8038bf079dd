"""The receipt of an erasure: what went, what had seen the user, what is out of reach. It names nobody."""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from streams.whole_file import whole

BEYOND_REACH = (
    "the broker's log, until its retention has passed: copies that are read again are dropped by the user's hash",
    "backups, file-system snapshots and freed disk blocks, and of a lake PostgreSQL's write-ahead log",
    "checkpoints: weights cannot be told to forget; those named here had seen the user, retrain or retire them",
    "deployed copies of policies, and files that were copied out of the homes given here",
    "the input files from which events were once sent (--data of a run, loveloop send), and files of loveloop export",
)
_LEARNT = ("incumbent", "reward_model", "policy", "candidate", "experiment")


def write(
    target: str | Path, user: str, requested_at: datetime, folder: Path, done: dict[str, list[dict[str, Any]]]
) -> Path:
    """Write one user's receipt as a file and as a row of the warehouse.

    Args:
        target: The warehouse.
        user: The user's hash.
        requested_at: Until when everything went.
        folder: Where receipts lie.
        done: What the journal found about the user, by kind.

    Returns:
        The file.
    """
    from warehouse import erasure

    receipt = compose(user, requested_at, erasure.effects(target, user)._asdict(), done)
    receipt["earlier_receipts"] = len(erasure.receipts_of(target, user))  # the numbers of rows are of all of them
    file = folder / f"{user[:12]}-{datetime.now(UTC):%Y%m%dT%H%M%S}.json"
    with whole(file) as part:
        part.write_text(json.dumps(receipt, indent=1, default=str) + "\n")
    erasure.finish(target, user, requested_at, receipt)
    return file


def compose(
    user: str, requested_at: datetime, effects: dict[str, dict[str, int]], done: dict[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """A receipt from what the warehouse and the journal say.

    >>> made = compose("aa6b", datetime(2026, 3, 1, tzinfo=UTC), {"rows": {"responses": 2}}, {})
    >>> made["warehouse"]["rows"], made["seen_by"]["policy"], made["left"]
    ({'responses': 2}, [], [])
    """
    return {
        "user_hash": user,
        "requested_at": requested_at.isoformat(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "loveloop": version("loveloop"),
        "warehouse": effects | {"purged": done.get("warehouse", [])},
        "training_sets": done.get("training_set", []),
        "files": done.get("file", []),
        "stages_to_run_again": done.get("stage", []),
        "seen_by": {kind: done.get(kind, []) for kind in _LEARNT},
        "left": done.get("left", []),
        "beyond_reach": list(BEYOND_REACH),
    }
