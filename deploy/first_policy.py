"""The policy that the stack serves before any of its users has said a word: fitted to the log of a simulated product.

    python first_policy.py FOLDER

A folder that is there is left alone. A script of the stack: a product serves a model of its own.
"""

import json
import sys
import tempfile
from pathlib import Path

import pyarrow as pa

from streams.synthetic import WorldConfig, simulate
from training.policy.pretrain import PretrainConfig, PretrainReport, pretrain_policy

WORLD = WorldConfig(seed=1, responses=8_000, users=1_000, days=7, duplicates=0, orphans=0, malformed=0)
"""Its log is what the policy learns from; none of its events goes to the stack's broker."""
SHAPE = PretrainConfig(width=96, layers=2, epochs=2)
"""A third of a million parameters: a response takes some tens of milliseconds on one core."""


def first_policy(folder: Path, world: WorldConfig = WORLD, shape: PretrainConfig = SHAPE) -> PretrainReport | None:
    """Fit the policy and put it into a folder, whole or not at all.

    Args:
        folder: Where it goes.
        world: Whose log it learns from.
        shape: How large it is.

    Returns:
        What was fitted; None where the folder is there.
    """
    if folder.exists():
        return None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as part:
        simulate(world, Path(part) / "world")
        report = pretrain_policy(_served(Path(part) / "world" / "events.ndjson"), Path(part) / "policy", config=shape)
        (Path(part) / "policy").rename(folder)
    return report


def _served(events: Path) -> pa.Table:
    """What was said to what, of a file of events."""
    with events.open("rb") as lines:
        told = [each for line in lines if (each := json.loads(line)).get("type") == "response_served"]
    return pa.table({name: [each[name] for each in told] for name in ("conversation", "response")})


def main(folder: str) -> None:
    """Make it, and say what was made."""
    report = first_policy(Path(folder))
    if report is None:
        print(f"{folder} is there and stays as it is")
    else:
        print(f"{folder}: {report.parameters:,} parameters, {report.tokens:,} tokens, loss {report.loss:.2f} nats")


if __name__ == "__main__":
    main(sys.argv[1])
